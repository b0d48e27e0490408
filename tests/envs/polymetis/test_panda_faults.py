"""Every fault ends in a safe stop: the arm at rest, its controller ended, a message that says what to do, and nothing that moves it again."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from panda_faults import FaultyPandaEnv

from muse.envs.env import EnvError, make
from muse.envs.failure import EnvFailure
from muse.envs.polymetis.interface import RobotError, RobotStopped
from muse.policies.random_policy import RandomPolicy
from muse.rollouts import rollout

pytestmark = needs_pybullet
AHEAD = d(action=np.array([[0.04, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], np.float32))


@pytest.fixture
def env():
    env = make(FaultyPandaEnv, d(hz=20.0))
    yield env
    env.close()


def run(env, steps=20):
    for _ in range(steps):
        env.step(AHEAD)


def speed_of(env):
    """Returns the largest speed of a joint, as the robot itself knows it."""
    return np.abs(env.robot.get_robot_state().joint_velocities).max()


def lose(env):
    env.wire.is_lost = True


def freeze(env):
    env.wire.is_frozen = True


def block(env):
    env.wire.delay = 1.0


def think(env):
    clock = env._clock
    clock.sleep_until(clock.now() + 2.0)


def report(env):
    env.wire.error_code = 7


def end(env):
    env.wire.has_ended = True


def spoil(env):
    env.wire.change = {"joint_positions": [float("nan")] * 7}


def shorten(env):
    env.wire.change = {"joint_positions": [0.0] * 6}


def shove(env):
    env.robot.hand = lambda seconds, position, velocity: np.array([0.0, 60.0, 0.0])


def throw(env):
    env.wire.change = {"joint_velocities": [0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0]}


def lose_gripper(env):
    def get_state():
        raise ConnectionError("no gripper")

    env.robot.gripper.get_state = get_state


FAULTS = {
    lose: ("connection", "UNAVAILABLE"),
    freeze: ("state", "the same state for 0.2"),
    block: ("call", "took 1.00 s"),
    think: ("command", "no action for 0.5"),
    report: ("robot", "reports error 7"),
    end: ("controller", "has ended the controller"),
    spoil: ("state", "not finite"),
    shorten: ("state", "6 joints"),
    shove: ("force", "limit 40"),
    throw: ("speed", "m/s, limit 0.55"),
    lose_gripper: ("connection", "no gripper"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_ends_in_a_safe_stop(env, fault):
    env.reset()
    run(env)
    assert speed_of(env) > 0.1, "it moves"
    kind, text = FAULTS[fault]
    fault(env)
    with pytest.raises(RobotStopped, match="recover") as caught:
        run(env)
    message = str(caught.value)
    assert f"stopped ({kind})" in message and text in message
    assert not isinstance(caught.value, EnvFailure), "a rollout would begin again"
    assert env.wire.calls.count("terminate_current_policy") == 1
    env.robot.hand = None
    told = len(env.wire.calls)
    env._clock.sleep_until(env._clock.now() + 1.0)
    assert speed_of(env) < 0.01, "it rests"
    assert "update_desired_joint_positions" not in env.wire.calls[told:]
    # A wire that is well again changes nothing: only a person does.
    env.wire.is_lost = env.wire.is_frozen = env.wire.has_ended = False
    env.wire.error_code, env.wire.change = 0, {}
    with pytest.raises(RobotStopped, match=f"stopped .{kind}"):
        env.reset()
    with pytest.raises(RobotStopped):
        env.arm()
    assert speed_of(env) < 0.01 and env.robot.is_running_policy() is (fault is lose)


def test_a_stop_is_smooth(env):
    """From full speed, what is told slows down as accelerations allow, and so does the arm."""
    env.reset()
    run(env, 10)
    servo, rows = env._servo, []
    stop_at = env._clock.now()
    original = servo._brake

    def brake(reading):
        original(reading)
        rows.append((env._clock.now() - stop_at, np.linalg.norm(servo._motion.twist[:3]), speed_of(env)))

    servo._brake = brake
    env.stop("a test")
    times, told, _ = np.array(rows).T
    assert told[0] > 0.2 and told[-1] == 0 and np.all(np.diff(told) < 1e-9)
    assert np.abs(np.diff(told)).max() <= servo.limits.acceleration * servo.period * 1.05
    assert 0.1 < times[-1] < 0.8
    with pytest.raises(RobotStopped, match=r"stopped \(stop\): a test"):
        env.reset()


def test_where_the_stop_itself_is_lost_the_message_says_so(env):
    env.reset()
    env.wire.is_lost = True
    with pytest.raises(RobotStopped, match="emergency stop"):
        run(env)


def test_a_person_who_has_looked_lets_it_go_on(env):
    env.reset()
    lose(env)
    with pytest.raises(RobotStopped):
        run(env)
    with pytest.raises(RobotStopped, match="recover: ConnectionError"):
        env.recover()
    env.wire.is_lost = False
    env.recover()
    with pytest.raises(RobotError, match="not armed"):
        env.reset()
    env.arm()
    env.reset()
    run(env)


def test_a_stop_is_not_forgotten_by_closing(env):
    env.reset()
    run(env)
    env.stop("a test")
    with pytest.raises(RobotStopped, match="a test"):
        env.step(AHEAD)
    env.close()
    with pytest.raises(RobotError, match="not armed"):
        env.reset()


def test_recovering_what_was_not_stopped_leaves_the_watchdog_on(env):
    env.reset()
    run(env)
    assert speed_of(env) > 0.1
    env.recover()
    assert env.robot.is_running_policy()
    env._clock.sleep_until(env._clock.now() + 1.0)
    assert speed_of(env) < 0.01
    freeze(env)
    env._clock.sleep_until(env._clock.now() + 1.0)
    with pytest.raises(RobotStopped, match="the same state"):
        env.arm()


def test_a_robot_with_an_error_does_not_recover(env):
    env.reset()
    report(env)
    with pytest.raises(RobotStopped):
        run(env)
    with pytest.raises(RobotStopped, match="reports error 7"):
        env.recover()


def test_a_rollout_ends_and_does_not_try_again(env):
    env.reset()
    calls = []
    original = env.reset

    def reset(*args, **kwargs):
        calls.append(1)
        env.wire.delay = 0.0
        answer = original(*args, **kwargs)
        freeze(env)
        return answer

    env.reset = reset
    with pytest.raises(RobotStopped):
        rollout(env, RandomPolicy(d(), env.env_spec), seed=0)
    assert len(calls) == 1


def test_an_interrupt_stops_the_arm(env):
    env.reset()
    run(env)

    def interrupt():
        raise KeyboardInterrupt

    env._rate.wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        env.step(AHEAD)
    assert speed_of(env) < 0.06 and not env.robot.is_running_policy()
    with pytest.raises(RobotStopped, match="KeyboardInterrupt"):
        env.reset()


def test_closing_stops_the_arm(env):
    env.reset()
    run(env)
    ended = []
    env.wire.terminate_current_policy = lambda **kwargs: ended.append(speed_of(env))
    env.close()
    assert len(ended) == 1 and ended[0] < 0.1
    env.close()


def test_the_end_of_the_program_stops_the_arm():
    program = (
        "from panda_faults import FaultyPandaEnv; from muse.envs.env import make; from test_panda_faults import AHEAD, run\n"
        "env = make(FaultyPandaEnv, dict(hz=20.0)); env.reset(); run(env)\n"
        "original = env.wire.robot.terminate_current_policy\n"
        "env.wire.robot.terminate_current_policy = lambda **given: print('ended', original(**given), flush=True)\n"
        "raise SystemExit(3)"
    )
    path = os.pathsep.join([*sys.path, os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 3 and done.stdout.splitlines()[-1:] == ["ended []"], done.stderr


def test_a_refused_action_leaves_the_watchdog_on(env):
    env.reset()
    run(env)
    with pytest.raises(EnvError, match="not finite"):
        env.step(d(action=np.full((1, 7), np.nan, np.float32)))
    env.step(AHEAD)
    think(env)
    with pytest.raises(RobotStopped, match="no action"):
        env.step(AHEAD)


@pytest.mark.slow
def test_a_call_that_never_comes_back_on_the_wall_clock():
    """The servo hangs in a call: who steps notices, and the stop goes another way."""
    env = make(FaultyPandaEnv, d(hz=20.0, real_time=True))
    try:
        env.reset()
        run(env)
        release, wire = threading.Event(), env.wire
        original = wire._state

        def hang(state):
            if threading.current_thread().name == "muse-robot":
                release.wait(20)
            return original(state)

        wire._state = hang
        began = time.monotonic()
        with pytest.raises(RobotStopped, match=r"has not answered for 0\.[5-9]"):
            run(env, 60)
        assert time.monotonic() - began < 3 and not env.robot.is_running_policy()
    finally:
        release.set()
        env.close()


@pytest.mark.slow
def test_a_policy_that_hangs_on_the_wall_clock_does_not_move_the_arm():
    env = make(FaultyPandaEnv, d(hz=20.0, real_time=True))
    try:
        env.reset()
        run(env)
        time.sleep(1.2)
        assert speed_of(env) < 0.02 and not env.robot.is_running_policy(), "stopped without anybody asking"
        with pytest.raises(RobotStopped, match="no action for 0.5"):
            run(env)
    finally:
        env.close()


def test_a_real_robot_is_driven_by_the_main_process_alone(monkeypatch):
    import multiprocessing

    from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv

    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    monkeypatch.setitem(sys.modules, "polymetis", None)
    with pytest.raises(RobotError, match="a worker process"):
        make(PolymetisPandaEnv, d(armed=True)).reset()
