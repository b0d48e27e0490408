"""Sessions driven by a script: what is on the disk, what was recorded of who acted, and what goes wrong without losing anything."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file
from muse.envs.env import make
from muse.envs.failure import EnvFailure
from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.teleop import TeleopInput
from muse.interactive.keeper import Keeper
from muse.interactive.panel import Panel, Said
from muse.interactive.session import Session, SessionOptions
from muse.interactive.view import State
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.policy import PolicyError
from muse.policies.take_over_policy import NAMES
from muse.policies.who_acts import with_who_acts
from muse.specs import SUCCESS
from muse.teleop import DeviceError, Reading
from muse.teleop.recorded import DeviceLog, RecordedDevice
from muse.testing import FakeDevice
from muse.utils.errors import MuseError
from muse.utils.seeding import episode_seed

RIGHT = Reading(TeleopInput((1.0, 0, 0, 0, 0, 0)))


class Script(Panel):
    """Says what a list says, a word or a tuple of words each moment, and quits after it; remembers what it was shown."""

    def __init__(self, moments):
        self.moments = iter(moments)
        self.views = []
        self.is_open = False

    def open(self):
        self.is_open = True

    def poll(self):
        assert self.is_open
        words = next(self.moments, "close")
        self.words = words = (words,) if isinstance(words, str) else words
        note = next((word.removeprefix("note:") for word in words if word.startswith("note:")), None)
        return Said(tuple(word for word in words if word and ":" not in word), note, "typing:" in words)

    def show(self, view):
        assert self.is_open
        self.views.append(view)

    def close(self):
        self.is_open = False


@pytest.fixture(params=["data.npz", "data.muse"])
def file(request, tmp_path):
    return tmp_path / request.param


def make_session(file, moments, device=None, policy=False, going_on=False, **options):
    env = make(PointMassEnv, d(num_steps=options.pop("num_steps", 50)))
    log = options.pop("log", None)
    spec = with_who_acts(env.env_spec, NAMES).extended([SUCCESS])
    meta = {"collection": {"seed": 0, "by": "person", "episodes_seen": 0, "kept": []}}
    there = read_file(file) if going_on else None
    writer = EpisodeWriter(file, spec, meta if there is None else there.meta, there=there)
    chosen = PointMassExpert(d(), env.env_spec) if policy else None
    return Session(
        env, chosen, None, env.env_spec, device or FakeDevice(lambda: RIGHT), Script(moments), Keeper(writer),
        SessionOptions(**{"hz": 0, **options}), log=log,
    )  # fmt: skip


def run(*args, **options):
    session = make_session(*args, **options)
    session.run()
    return session


def started(seed):
    env = make(PointMassEnv, d())
    return env.reset(seed=seed)[0]["ego"][0]


def test_an_episode_that_is_kept_is_what_was_driven(file):
    run(file, ["start", *[""] * 4, ("keep", "note:slow")])
    data = read_file(file)
    assert data.ends.tolist() == [5]
    assert np.array_equal(data.steps["action"], np.tile([1.0, 0.0], (5, 1)))
    assert np.array_equal(data.steps["ego"][0], started(episode_seed(0, 0)))
    assert data.steps["policy_name"][:, 0].tolist() == ["person"] * 5
    assert data.steps["policy_type"][:, 0].tolist() == [1] * 5
    assert data.steps["policy_switch"][:, 0].tolist() == [True] + [False] * 4
    assert data.steps["truncated"][:, 0].tolist() == [False] * 4 + [True]
    assert not data.onetime["final/success"].any()
    assert data.meta["collection"]["notes"] == {"0": "slow"} and data.meta["collection"]["kept"] == [0]


def test_it_is_on_the_disk_before_the_next_begins(file):
    seen = []

    class Watching(Script):
        def show(self, view):
            seen.append((view.episode, view.kept, len(read_file(file).ends) if file.exists() else 0))

    session = make_session(file, [])
    session.panel = Watching(["start", "", "keep", "start", "keep"])
    session.run()
    assert seen[1] == (1, 0, 0) and seen[2] == (2, 1, 1) and seen[-1] == (3, 2, 2)


def test_dropped_episodes_and_other_starts_use_up_their_seeds(file):
    session = run(file, ["start", "", "discard", "reset", "start", "", "keep"])
    data = read_file(file)
    assert data.meta["collection"]["kept"] == [2] and data.meta["collection"]["episodes_seen"] == 3
    assert np.array_equal(data.steps["ego"][0], started(episode_seed(0, 2)))
    assert [view.episode for view in session.panel.views][-1] == 4


def test_an_episode_that_ends_by_itself_waits_for_a_word(file):
    session = run(file, ["start", *[""] * 5, "start", "keep"], num_steps=3)
    states = [view.state for view in session.panel.views]
    assert states == [State.RUNNING] * 2 + [State.ENDED] * 5 + [State.READY]
    assert session.panel.views[6].message == "the episode is over: y keeps it, n drops it"
    assert read_file(file).ends.tolist() == [3]


def test_the_last_one_is_taken_back_and_done_again(file):
    session = run(file, ["start", "", "keep", "start", "", "", ("success", "note:odd"), "keep", "redo", "start", "", "keep"])
    data = read_file(file)
    assert data.ends.tolist() == [2, 4] and data.meta["collection"]["kept"] == [0, 1]
    assert data.meta["collection"]["marks"] == {} and data.meta["collection"]["notes"] == {}
    assert np.array_equal(data.steps["ego"][2], started(episode_seed(0, 1)))
    assert "taken back" in session.panel.views[8].message and session.panel.views[8].kept == 1
    run(file, ["redo", "redo", "redo"], going_on=True)
    assert read_file(file).ends.tolist() == []
    session = run(file, ["redo", "start", "keep"], going_on=True)
    assert session.panel.views[0].message == "no episode to take back"
    assert read_file(file).meta["collection"]["kept"] == [2]


def test_redo_of_an_episode_in_progress_is_the_same_start(file):
    run(file, ["start", "", "", "redo", "start", "keep"])
    data = read_file(file)
    assert data.ends.tolist() == [1] and data.meta["collection"]["kept"] == [0]


def test_a_pause_costs_no_step_and_typing_neither(file):
    session = make_session(file, ["start", "", "typing:", "typing:", "", "", "pause", "", "start", "", "keep"])
    session._clock = lambda: 10.0 * len(session.panel.views)
    session.run()
    assert [view.seconds for view in session.panel.views][:10] == [0, 10, 10, 10, 10, 20, 20, 20, 20, 30]
    file.unlink() if file.is_file() else shutil.rmtree(file)
    session = run(file, ["start", "pause", "", "", "start", "typing:", "typing:", "pause", "keep"])
    assert [view.steps for view in session.panel.views][:8] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert read_file(file).ends.tolist() == [2]


def test_a_person_says_what_succeeded(file):
    run(file, ["start", "", "success", "keep", "start", "success", "success", "keep"])
    data = read_file(file)
    assert data.onetime["final/success"][:, 0].tolist() == [True, False]
    assert data.meta["collection"]["marks"] == {"0": True, "1": False}


def test_who_acted_is_recorded_and_the_policy_goes_on_where_it_was(file):
    session = run(file, ["start", "", "take_over", "", "take_over", "", "keep"], policy=True)
    data = read_file(file)
    assert data.steps["policy_name"][:, 0].tolist() == ["policy"] * 2 + ["person"] * 2 + ["policy"] * 2
    assert data.steps["policy_type"][:, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert data.steps["policy_switch"][:, 0].tolist() == [True, False, True, False, True, False]
    assert np.array_equal(data.steps["action"][2:4], [[1, 0], [1, 0]])
    assert [view.driver for view in session.panel.views][:3] == ["the policy is", "the policy is", "you are"]
    # What it does is what it would do if it had acted all the time.
    expert = PointMassExpert(d(), session.env.env_spec)
    expert.reset_policy(np.ones(1, bool), [episode_seed(0, 0)])
    for t in range(6):
        obs = {name: data.steps[name][t][None, None] for name in session.env.env_spec.observation_names}
        obs |= {name: data.onetime[name][0][None, None] for name in session.env.env_spec.param_names}
        action = expert.get_action(None, obs, {})["action"][0]
        if data.steps["policy_type"][t, 0] == 0:
            assert np.array_equal(action, data.steps["action"][t])


def test_each_episode_begins_with_who_should(file):
    moments = ["start", "take_over", "keep", "start", "keep"]
    run(file, moments, policy=True)
    assert read_file(file).steps["policy_type"][:, 0].tolist() == [0, 1, 0]
    file.unlink() if file.is_file() else shutil.rmtree(file)
    run(file, moments, policy=True, begins_with_person=True)
    assert read_file(file).steps["policy_type"][:, 0].tolist() == [1, 0, 1]


def test_quitting_asks_while_there_is_something_to_lose(file):
    session = run(file, ["start", "", "quit", "start", "quit", "keep", "quit", "never"])
    assert [view.state for view in session.panel.views][2:5] == [State.PAUSED, State.RUNNING, State.PAUSED]
    assert "WITHOUT" in session.panel.views[2].message
    assert read_file(file).ends.tolist() == [3]
    session = run(file, ["start", "quit", "quit", "never"], going_on=True)
    assert len(session.panel.views) == 2 and len(read_file(file).ends) == 1
    session = run(file, ["start", "close", "never"], going_on=True)
    assert len(session.panel.views) == 1 and len(read_file(file).ends) == 1


def test_it_is_over_when_there_are_enough(file):
    session = run(file, itertools.cycle(["start", "", "keep"]), max_eps=3)
    assert session.keeper.num_episodes == len(read_file(file).ends) == 3
    session = run(file, itertools.cycle(["start", "", "keep"]), going_on=True, max_eps=3)
    assert session.keeper.num_episodes == len(read_file(file).ends) == 3 and not session.panel.views


def test_commands_that_fit_nothing_say_so(file):
    session = run(file, ["keep", "discard", "success", "pause", "take_over", "dance", ("start", "keep")])
    messages = [view.message for view in session.panel.views]
    assert messages == [
        "nothing to keep yet: space starts", "nothing to drop yet: r is another start", "nothing to mark yet",
        "it has not started", "there is no policy to give it to", "no command 'dance'", "nothing to keep yet: it has no step",
    ]  # fmt: skip
    assert not file.exists()


def test_a_device_that_fails_pauses_and_may_come_back(file):
    state = {"fails": False}

    def tell():
        if state["fails"]:
            raise DeviceError("the gamepad", "it is gone")
        return RIGHT

    session = make_session(file, [], FakeDevice(tell))

    class Pulling(Script):
        def show(self, view):
            super().show(view)
            state["fails"] = len(self.views) in (2, 3)

    session.panel = Pulling(["start", "", "", "", "start", "keep"])
    session.run()
    states = [view.state for view in session.panel.views]
    assert states[:5] == [State.RUNNING, State.RUNNING, State.PAUSED, State.PAUSED, State.RUNNING]
    assert session.panel.views[2].message == "the gamepad: it is gone"
    assert read_file(file).ends.tolist() == [3]


def test_an_env_that_fails_loses_its_episode_and_no_other(file):
    session = make_session(file, ["start", "", "keep", "start", "", "", "start", "reset", "start", "", "keep"])
    step, count = session.env.step, itertools.count(1)
    session.env.step = lambda action: fail() if next(count) == 4 else step(action)

    def fail():
        raise EnvFailure("the arm", "its cable is loose")

    session.run()
    message = next(view.message for view in session.panel.views if "the episode is lost" in view.message)
    assert "its cable is loose" in message
    assert any(view.message.startswith("r begins anew") for view in session.panel.views)
    assert read_file(file).ends.tolist() == [2, 4] and read_file(file).meta["collection"]["kept"] == [0, 1]


def test_a_policy_that_fails_is_not_called_an_env(file):
    session = make_session(file, ["start", "", "reset", "start", "keep"], policy=True)
    act, count = session.policy.policy.get_action, itertools.count(1)

    def fail_once(*args):
        if next(count) == 2:
            raise PolicyError("the server", "its cable is loose")
        return act(*args)

    session.policy.policy.get_action = fail_once
    session.run()
    assert session.panel.views[1].message == "the episode is lost, r begins anew: the server: its cable is loose"
    assert read_file(file).ends.tolist() == [1]


def fail(*args, **options):
    raise EnvFailure("the arm", "its cable is loose")


def test_an_env_that_fails_while_an_episode_is_ended_loses_that_one(file):
    session = make_session(file, [])
    solved = session.env.is_success

    class Pulling(Script):
        def poll(self):
            session.env.is_success = fail if len(self.views) == 5 else solved
            return super().poll()

    session.panel = Pulling(["start", "", "keep", "start", "", "keep", "redo", "start", "keep"])
    session.run()
    assert "its cable is loose" in session.panel.views[5].message
    assert read_file(file).ends.tolist() == [2, 3] and read_file(file).meta["collection"]["kept"] == [0, 1]


@pytest.mark.parametrize("name", ["render", "is_success"])
def test_an_env_that_cannot_be_looked_at_pauses_and_what_there_is_may_be_kept(file, name):
    session = make_session(file, [])
    works = getattr(session.env, name)

    class Pulling(Script):
        def show(self, view):
            super().show(view)
            setattr(session.env, name, fail if len(self.views) in (2, 3) else works)

    session.panel = Pulling(["start", "", "", "success", "start", "keep"])
    session.run()
    views = session.panel.views
    assert "its cable is loose" in views[2].message and not views[2].pictures
    assert [view.state for view in views[2:5]] == [State.PAUSED, State.PAUSED, State.RUNNING]
    assert read_file(file).ends.tolist() == [4]


def test_redo_after_an_env_failed_is_of_the_episode_that_was_lost(file):
    session = make_session(file, ["start", "", "keep", "start", "", "redo", "start", "", "keep"])
    step, count = session.env.step, itertools.count(1)

    def fail_once(action):
        if next(count) == 4:
            raise EnvFailure("the arm", "its cable is loose")
        return step(action)

    session.env.step = fail_once
    session.run()
    assert "its cable is loose" in session.panel.views[4].message and session.panel.views[5].kept == 1
    assert read_file(file).ends.tolist() == [2, 4] and read_file(file).meta["collection"]["kept"] == [0, 1]


def test_an_env_that_cannot_begin_ends_the_session_only_at_its_beginning(file):
    def fail(*args, **options):
        raise EnvFailure("the arm", "it is not armed")

    session = make_session(file, ["start"])
    session.env.reset = fail
    with pytest.raises(MuseError, match="it is not armed"):
        session.run()
    session = make_session(file, ["start", "keep", "start", "", "reset", "start", "keep"])
    reset, count = session.env.reset, itertools.count(1)
    session.env.reset = lambda *args, **options: fail() if next(count) == 2 else reset(*args, **options)
    session.run()
    assert "it is not armed" in session.panel.views[1].message
    assert read_file(file).meta["collection"]["kept"] == [0, 1]


def test_a_disk_that_refuses_keeps_nobody_from_keeping_it_later(file):
    session = make_session(file, [])
    place = Path(file).parent / "moved"

    class Refusing(Script):
        def poll(self):
            if len(self.views) == 5:  # The folder is gone, and a file in its place.
                file.parent.rename(file.parent.with_name("kept"))
                file.parent.write_text("")
            if len(self.views) == 8:
                file.parent.unlink()
                file.parent.with_name("kept").rename(file.parent)
            return super().poll()

    place.mkdir()
    session.keeper.writer.path = file = place / file.name
    session.panel = Refusing(["start", "", "keep", "start", "", "keep", "", "", "keep", "start", "keep"])
    session.run()
    assert session.panel.views[5].message.startswith("NOT kept: ") and session.panel.views[5].state is State.ENDED
    data = read_file(file)
    assert data.ends.tolist() == [2, 4, 5] and data.meta["collection"]["kept"] == [0, 1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_log_that_finds_the_disk_full_ends_and_the_session_goes_on(file):
    session = run(file, ["start", "start", "", "keep"], log=DeviceLog("/dev/full"))
    assert [view.state for view in session.panel.views] == [State.PAUSED, State.RUNNING, State.RUNNING, State.READY]
    assert session.panel.views[0].message.startswith("the device's log ends here: ")
    assert read_file(file).ends.tolist() == [2]


def test_a_recorded_session_is_repeated_to_the_bit(tmp_path):
    moments = ["start", "", "take_over", "", "keep", "reset", "start", "", "success", "keep", "quit"]
    hands = [Reading(TeleopInput((np.sin(t).item(), np.cos(t).item(), 0, 0, 0, 0))) for t in range(20)]
    run(tmp_path / "one.npz", moments, FakeDevice(hands), policy=True, log=DeviceLog(tmp_path / "log.jsonl"))
    device = RecordedDevice(d(file=str(tmp_path / "log.jsonl")))
    run(tmp_path / "two.npz", [""] * 100, device, policy=True)
    one, two = read_file(tmp_path / "one.npz"), read_file(tmp_path / "two.npz")
    assert len(one.ends) == 2 and one.meta == two.meta
    for name, array in one.steps.items():
        assert np.array_equal(array, two.steps[name]), name


def test_everything_is_closed_also_after_an_error(file):
    session = make_session(file, ["start"] + [""] * 5)
    session.env.render = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        session.run()
    assert not session.panel.is_open and session.device.closed == 1


class AtARobot(Script):
    """A script in which `wait:` lets two minutes pass and `shove:` pushes the arm hard, once."""

    def __init__(self, env, moments):
        super().__init__(moments)
        self.env = env

    def poll(self):
        said = super().poll()
        clock = self.env._clock
        if "wait:" in self.words:
            clock.sleep_until(clock.now() + 120.0)
        if "shove:" in self.words:
            self.env.robot.hand = lambda seconds, position, velocity: np.array([0.0, 60.0, 0.0])
            clock.sleep_until(clock.now() + 0.5)
            self.env.robot.hand = None
        return said


def at_a_robot(tmp_path, moments, **options):
    env = make(SimulatedPandaEnv, d(hz=20.0, **options))
    writer = EpisodeWriter(
        tmp_path / "data.npz", with_who_acts(env.env_spec, NAMES).extended([SUCCESS]),
        {"collection": {"seed": 0, "by": "person", "episodes_seen": 0, "kept": []}},
    )  # fmt: skip
    session = Session(
        env, None, None, env.env_spec, FakeDevice(lambda: RIGHT), AtARobot(env, moments), Keeper(writer), SessionOptions(hz=0)
    )
    try:
        session.run()
    finally:
        env.close()
    return session, [view.message for view in session.panel.views]


@needs_pybullet
def test_a_robot_waits_for_minutes_and_goes_on_from_where_it_rests(tmp_path):
    moves = [""] * 6
    waits = ["pause", "wait:", "start", *moves, "typing:", ("typing:", "wait:"), *moves]
    session, said = at_a_robot(tmp_path, ["wait:", "start", *moves, *waits, "keep", "wait:", "start", "", "keep"])
    assert session.keeper.num_episodes == 2, said
    steps = read_file(tmp_path / "data.npz").steps
    assert steps["late"].max() == 0, "nobody was late who was not asked"
    assert np.linalg.norm(np.diff(steps["ee_position"][:20], axis=0), axis=1).max() < 0.15


@needs_pybullet
def test_a_robot_that_was_stopped_goes_on_when_the_person_says_so(tmp_path):
    moments = ["start", "", "shove:", "", "reset", "start", "arm", "reset", "start", "", "keep", "arm"]
    session, said = at_a_robot(tmp_path, moments)
    assert "stopped (force)" in said[3] and "then c lets it move" in said[3], said
    assert "stopped (force)" in said[4] and "stopped (force)" in said[5], "r alone does not"
    assert said[6] == "it may move now: r begins anew"
    assert session.keeper.num_episodes == 1 and said[-1] == "it may move already"
    assert any("robot may move" in line for line in session.panel.views[0].help)


@needs_pybullet
def test_a_robot_that_is_not_armed_waits_for_the_person(tmp_path):
    session, said = at_a_robot(tmp_path, ["", "start", "reset", "arm", "reset", "start", "", "keep"], armed=False)
    assert all("not armed" in text for text in said[:3]) and session.keeper.num_episodes == 1
