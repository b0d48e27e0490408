"""Envs that die, hang and break down, and processes that are really killed."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from unruly_env import IN_PROCESS, SAYS, UnrulyEnv, attempts

from muse.envs import EnvError, VectorEnv, make
from muse.envs.env import make_env_spec
from muse.envs.failure import EnvFailure
from muse.testing import FakeEnv
from muse.utils.abstract import Argument
from muse.utils.attrdicts import flatten
from muse.utils.errors import MuseError

SPEC = make_env_spec(FakeEnv)
CASES = [("process", trouble) for trouble in SAYS] + [("sync", trouble) for trouble in IN_PROCESS]


def unruly(trouble, folder, num_envs=3, mode="process", step_timeout=2.0, **options):
    group = d(cls=UnrulyEnv, trouble=trouble, folder=str(folder), **options)
    return VectorEnv(d(num_envs=num_envs, mode=mode, step_timeout=step_timeout, reset_timeout=20.0), group, SPEC)


def zeros(env):
    return SPEC.get_zeros(SPEC.action_names, env.num_envs)


def pids(env):
    return [worker.process.pid for worker in env._envs._workers]


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_dead(processes, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(is_alive, processes)):
        time.sleep(0.05)
    return [pid for pid in processes if is_alive(pid)]


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """No process of this test, and no shared memory of this program (others on the machine, other workers of the tests, have theirs)."""
    children, shared = set(multiprocessing.active_children()), shared_memory()
    yield
    assert set(multiprocessing.active_children()) <= children
    assert shared_memory() <= shared


def shared_memory():
    """Returns the files of shared memory that this process has open or mapped."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    return {line.split(maxsplit=5)[5] for line in lines if "/dev/shm/" in line and "(deleted)" not in line}


@pytest.mark.parametrize(("mode", "trouble"), CASES)
def test_a_failure_costs_its_row_the_episode_and_the_others_nothing(mode, trouble, tmp_path):
    singles = [make(FakeEnv, d(episode_length=5 + seed % 4)) for seed in (10, 11, 12)]
    with contextlib.closing(unruly(trouble, tmp_path, mode=mode, seeds=[11])) as env:
        env.reset(seeds=[10, 11, 12])
        before = pids(env) if mode == "process" else []
        for single, seed in zip(singles, (10, 11, 12), strict=True):
            single.reset(seed=seed)
        rows = np.ones(3, bool)
        with env.tolerating():
            for step in range(4):
                obs, _, done = env.step(zeros(env), rows)
                for i in np.flatnonzero(rows & ~done):
                    action = {name: value[i : i + 1] for name, value in flatten(zeros(env)).items()}
                    alone = flatten(singles[i].step(action)[0])
                    assert all(np.array_equal(obs[name][i : i + 1], value) for name, value in alone.items())
                assert (list(env.failures), done.tolist()) == (([1], [False, True, False]) if step >= 2 else ([], [False] * 3))
                rows = ~done
        where = "UnrulyEnv.step" if trouble == "own words" else "env 1 of a VectorEnv"
        assert env.failures[1].summary == f"{where}: {SAYS[trouble]}"
        assert not any(value[1].any() for name, value in flatten(obs).items() if value.dtype.kind != "U"), "reads as zeros"
        assert env.render()[1] is None and not env.is_success()[1]
        with pytest.raises(EnvError, match="no episode is running in env 1"):
            env.step(zeros(env))
        again, _ = env.reset(seeds=[11], rows=~rows)
        assert not env.failures
        fresh = make(FakeEnv)
        assert all(np.array_equal(again[name][1:2], value) for name, value in flatten(fresh.reset(seed=11)[0]).items())
        assert not env.step(zeros(env))[2][1]
        if mode == "process":
            assert [old == new for old, new in zip(before, pids(env), strict=True)] == [True, False, True]
            assert not is_alive(before[1])


@pytest.mark.parametrize("mode", ["sync", "process"])
@pytest.mark.parametrize("where", ["reset", "is_success", "render"])
def test_every_call_may_fail(mode, where, tmp_path):
    trouble = "kill" if mode == "process" else "error"
    with contextlib.closing(unruly(trouble, tmp_path, 2, mode, where=where, seeds=[8])) as env:
        with env.tolerating():
            env.reset(seeds=[8, 9])
            if where != "reset":
                for _ in range(2):
                    env.step(zeros(env))
                answer = getattr(env, where)()
                assert len(answer) == 2 and answer[1] is not None and not answer[0]
        assert env.failures[0].got.replace("\n", " ") == SAYS[trouble]
        env.reset(seeds=[8, 9])
        assert not env.failures and len(attempts(tmp_path, 8)) == 2


@pytest.mark.parametrize("mode", ["sync", "process"])
def test_without_tolerance_a_failure_is_raised_and_the_row_can_begin_again(mode, tmp_path):
    with contextlib.closing(unruly("error", tmp_path, 2, mode, seeds=[1])) as env:
        env.reset(seeds=[0, 1])
        for _ in range(2):
            env.step(zeros(env))
        with pytest.raises(EnvFailure) as error:
            env.step(zeros(env))
        assert error.value.summary == f"env 1 of a VectorEnv: {SAYS['error']}"
        assert any("in env 1 of a VectorEnv; there:\n" in note and "unruly_env.py" in note for note in error.value.__notes__)
        assert list(env.failures) == [1]
        env.reset(seeds=[1], rows=np.array([False, True]))
        for _ in range(2):
            env.step(zeros(env))


class Mistaken(FakeEnv):
    """Breaks the contract in its first step."""

    predefined_arguments = [*FakeEnv.predefined_arguments, Argument("mistake", type=str, default="shape")]

    def step(self, action):
        obs, goal, done = super().step(action)
        if self.mistake == "shape":
            obs["position"] = np.zeros((1, 3), np.float32)
        if self.mistake == "odd error":
            raise OddError("one", "two")
        if self.mistake == "picture":
            self.picture = lambda: None
        return obs, goal, done

    def render(self):
        return self.picture


class OddError(MuseError):
    """An error that does not survive pickling."""

    def __init__(self, one, two):
        super().__init__(one, two)
        self.keep = lambda: None


@pytest.mark.parametrize("mode", ["sync", "process"])
@pytest.mark.parametrize(
    ("mistake", "message"), [("shape", "Mistaken.step: 'position': shape (1, 3) of float32; expected"), ("odd error", "one: two")]
)
def test_a_mistake_is_raised_also_where_failures_are_tolerated(mode, mistake, message):
    with contextlib.closing(VectorEnv(d(num_envs=2, mode=mode), d(cls=Mistaken, mistake=mistake), SPEC)) as env:
        env.reset(seeds=[0, 1])
        with env.tolerating(), pytest.raises(MuseError) as error:
            env.step(zeros(env))
        assert str(error.value).startswith(message) and not isinstance(error.value, EnvFailure) and not env.failures


def test_an_answer_that_cannot_be_sent_is_a_failure_and_not_the_end():
    with contextlib.closing(VectorEnv(d(num_envs=1, mode="process"), d(cls=Mistaken, mistake="picture"), SPEC)) as env:
        env.reset(seeds=[0])
        env.step(zeros(env))
        with pytest.raises(EnvFailure, match=r"Can't pickle|Can't get local"):
            env.render()


class Unbuildable(FakeEnv):
    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        os._exit(7)


class SlowToBuild(FakeEnv):
    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        time.sleep(1000)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Unbuildable, "env 0 of a VectorEnv: its process ended with exit status 7\n  try: mode='sync', to see why"),
        (SlowToBuild, "env 0 of a VectorEnv: no answer within 3 s\n  try: a longer reset_timeout, if the simulator is only slow"),
    ],
)
def test_an_env_that_cannot_be_built_in_the_first_place_is_an_error(cls, message):
    with pytest.raises(EnvFailure) as error:
        VectorEnv(d(num_envs=2, mode="process", reset_timeout=3.0), d(cls=cls), SPEC)
    assert str(error.value) == message


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(EnvError) as error:
        VectorEnv(d(step_timeout=-1.0), d(cls=FakeEnv), SPEC)
    assert str(error.value) == "VectorEnv: step_timeout: -1.0; expected seconds, or 0 for no limit"
    with pytest.raises(EnvError, match="an option of muse.testing.fake_env.FakeEnv that cannot be pickled"):
        VectorEnv(d(mode="process"), d(cls=FakeEnv, episode_length=5, success_rate=Unpicklable()), SPEC)


class Unpicklable(float):
    def __reduce__(self):
        raise TypeError("no")


def test_without_a_limit_an_env_may_take_its_time():
    env = VectorEnv(d(num_envs=1, mode="process", step_timeout=0.0, reset_timeout=0.0), d(cls=FakeEnv), SPEC)
    env.reset(seeds=[0])
    assert env.step(zeros(env))[2].tolist() == [False]
    env.close()


def test_an_interrupted_call_leaves_no_answer_behind(tmp_path):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with contextlib.closing(unruly("hang", tmp_path, 2, step_timeout=60.0, seeds=[1])) as env:
            env.reset(seeds=[0, 1])
            for _ in range(2):
                env.step(zeros(env))
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(KeyboardInterrupt):
                env.step(zeros(env))
            with pytest.raises(EnvFailure, match="was ended when a call was interrupted"):
                env.step(zeros(env))
            obs, _ = env.reset(seeds=[0, 1])
            assert np.array_equal(obs["position"][:1], make(FakeEnv).reset(seed=0)[0]["position"])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_worker_that_was_killed_between_two_calls_is_found_and_close_does_not_wait():
    env = VectorEnv(d(num_envs=2, mode="process"), d(cls=FakeEnv), SPEC)
    env.reset(seeds=[0, 1])
    processes = pids(env)
    os.kill(processes[0], signal.SIGKILL)
    with env.tolerating():
        assert env.step(zeros(env))[2].tolist() == [True, False]
    assert env.failures[0].got == SAYS["kill"]
    os.kill(processes[1], signal.SIGKILL)
    start = time.monotonic()
    env.close()
    env.close()
    assert time.monotonic() - start < 2 and not any(map(is_alive, processes))


def test_an_env_that_was_handed_in_is_reset_and_not_replaced(tmp_path):
    single = make(UnrulyEnv, d(trouble="error", folder=str(tmp_path), seeds=[0]), SPEC)
    env = VectorEnv.of(single)
    env.reset(seeds=[0])
    with env.tolerating():
        for _ in range(3):
            env.step(zeros(env))
        assert list(env.failures) == [0]
        env.reset(seeds=[0])
    for _ in range(3):
        env.step(zeros(env))
    assert not env.failures
    env.close()


SCRIPT = """
import sys, time
import numpy as np
from attrdict import AttrDict as d
sys.path.insert(0, {tests!r})
from unruly_env import UnrulyEnv
from muse.envs import VectorEnv
from muse.envs.env import make_env_spec

if __name__ == "__main__":
    spec = make_env_spec(UnrulyEnv)
    group = d(cls=UnrulyEnv, trouble={trouble!r}, folder={folder!r}, seeds=[1], times=9)
    env = VectorEnv(d(num_envs=2, mode="process", step_timeout={timeout!r}), group, spec)
    print(*(worker.process.pid for worker in env._envs._workers), flush=True)
    env.reset(seeds=[0, 1])
    with env.tolerating():
        for _ in range(3):
            env.step(spec.get_zeros(spec.action_names, 2))
    assert 1 in env.failures
    env.reset(seeds=[2], rows=np.array([False, True]))
    print(*(worker.process.pid for worker in env._envs._workers), flush=True)
    {end}
"""


def run_script(tmp_path, trouble, timeout, end):
    path = tmp_path / "script.py"
    values = {
        "tests": str(Path(__file__).parents[1]),
        "trouble": trouble,
        "folder": str(tmp_path),
        "timeout": timeout,
        "end": end,
    }
    path.write_text(textwrap.dedent(SCRIPT).format(**values))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("end", ["env.close()", "pass"], ids=["closed", "not closed"])
def test_a_program_that_ends_leaves_no_process_and_no_warning(tmp_path, end):
    program = run_script(tmp_path, "kill", 5.0, end)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    processes = [int(pid) for pid in out.split()]
    assert len(set(processes)) == 3 and not wait_until_dead(processes, 5)


@pytest.mark.parametrize("trouble", ["hang", "kill"], ids=["during a step that hangs", "idle"])
def test_workers_do_not_outlive_a_program_that_is_killed(tmp_path, trouble):
    program = run_script(tmp_path, trouble, 600.0, "time.sleep(600)")
    processes = [int(pid) for pid in program.stdout.readline().split()]
    if trouble == "kill":
        processes += [int(pid) for pid in program.stdout.readline().split()]
    else:
        while not attempts(tmp_path, 1):
            time.sleep(0.05)
        time.sleep(0.5)
    assert any(map(is_alive, processes))
    program.kill()
    program.communicate()
    assert not wait_until_dead(processes, 15)


def processes_of_session(session):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(path.parent.name))
    return [pid for pid in found if is_alive(pid)]


def test_an_interrupt_ends_an_evaluation_with_status_130_and_all_its_processes():
    root = Path(__file__).parents[2]
    words = "eval --max_eps 3000 cfgs/exp_point_mass/bc_rnn.py %policy cfgs/policy/point_mass_expert.py %vector_env"
    program = subprocess.Popen(
        [sys.executable, "-m", "muse", *words.split(), "--mode", "process", "--num_envs", "2"],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        line = program.stderr.readline()  # after a tenth of the episodes
        assert "episodes" in line and len(processes_of_session(program.pid)) >= 4, line  # itself, the fork server, two workers
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        out, err = program.communicate(timeout=30)
        assert program.returncode == 130 and "Traceback" not in err and err.endswith("interrupted\n") and not out
        assert not wait_until_dead(processes_of_session(program.pid), 10)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
