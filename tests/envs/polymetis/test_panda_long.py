"""The Panda for long: a minute of the wall at 20 Hz, and ten simulated minutes of whatever may come."""

import time

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from muse.envs.env import EnvError, make
from muse.envs.polymetis.panda_spec import ACTION_SPACES
from muse.envs.polymetis.safety import exceeded
from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv

pytestmark = [needs_pybullet, pytest.mark.slow]


def test_a_minute_at_20_hz_is_a_minute():
    """Under a policy that takes up to 20 ms of each 50, the rate is kept within 1%."""
    # A machine that does other things beside may halt for long; that is not what is asked here.
    patience = d(command_timeout=5.0, state_timeout=2.0, call_timeout=5.0)
    env, rng = make(SimulatedPandaEnv, d(hz=20.0, horizon=10**6, real_time=True) & patience), np.random.default_rng(0)
    leaf = env.env_spec.leaf("action")
    try:
        env.reset()
        began, ends = time.monotonic(), []
        for _ in range(1200):
            time.sleep(rng.uniform(0, 0.02))
            env.step(d(action=rng.uniform(leaf.low, leaf.high)[None].astype(np.float32)))
            ends.append(time.monotonic() - began)
        error = abs(1200 / ends[-1] / 20 - 1)
        print(f"{ends[-1]:.3f} s, {100 * error:.3f}% off; {env.summary}")
        assert error < 0.01
        # None drifts away from the grid: every step ends on it, a few late ones aside.
        off = np.abs(np.array(ends) / 0.05 - np.rint(np.array(ends) / 0.05))
        assert np.quantile(off, 0.9) < 0.2 and env._rate.overruns <= 60
    finally:
        env.close()


def attacks(leaf, rng, count):
    """Yields actions: uniform, kept corners, corners drawn anew, huge numbers, fast and slow oscillations, numbers that are none."""
    low, high = np.asarray(leaf.low, np.float64), np.asarray(leaf.high, np.float64)
    middle, half, size = (low + high) / 2, (high - low) / 2, len(low)
    kind, corner, hz = 0, middle, 1.0
    for i in range(count):
        if i % 60 == 0:
            kind, corner, hz = rng.integers(8), np.where(rng.random(size) < 0.5, low, high), rng.uniform(0.2, 5.0)
        wave = np.sign(np.sin(2 * np.pi * hz * i / 20))
        if kind == 0:
            yield rng.uniform(low, high)
        elif kind == 1:
            yield corner
        elif kind == 2:
            yield np.where(rng.random(size) < 0.5, low, high)
        elif kind == 3:
            yield 1e6 * rng.normal(size=size)
        elif kind == 4:
            yield middle + wave * (corner - middle)
        elif kind == 5:
            yield middle + half * wave
        elif kind == 6:
            yield np.full(size, rng.choice([np.nan, np.inf, -np.inf])) if rng.random() < 0.5 else corner
        else:
            yield 1e3 * wave * (corner - middle)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("space", ACTION_SPACES)
def test_ten_minutes_pass_no_limit(space):
    """Random, not finite and hostile actions: no measured value passes a limit at any tick, and nothing stops the arm."""
    env = make(SimulatedPandaEnv, d(hz=20.0, horizon=10**6, action_space=space))
    rng, worst, refused = np.random.default_rng(1), {}, 0
    try:
        obs, _ = env.reset()
        servo = env._servo
        look = servo._check_reading

        def check(reading):
            over = exceeded(servo.limits, reading.position, reading.twist, reading.joint_velocities, reading.wrench[:3])
            for kind, excess in over.items():
                worst[kind] = max(worst.get(kind, -np.inf), float(excess))
            look(reading)

        servo._check_reading = check
        places, began = [], env._clock.now()
        for action in attacks(env.env_spec.leaf("action"), rng, 100_000):
            if env._clock.now() - began >= 600:
                break
            try:
                obs, _, _ = env.step(d(action=action[None].astype(np.float32)))
                places.append(obs["ee_position"][0])
            except EnvError as error:
                assert "not finite" in str(error), error
                refused += 1
        assert (
            env._clock.now() - began >= 600
            and servo.counts.total() == servo.counts["held"] + servo.counts["force"] + servo.counts["lead"]
        )
        print(space, {kind: round(value, 3) for kind, value in worst.items()}, env.summary)
        assert len(worst) == 5 and max(worst.values()) <= 0
        assert refused > 100 and env.counts["not_finite"] == refused
        assert np.all(np.ptp(places, axis=0) > [0.2, 0.3, 0.2]), "it went everywhere"
    finally:
        env.close()
