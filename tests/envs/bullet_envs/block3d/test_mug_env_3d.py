import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from solving import solve

from muse.envs.bullet_envs.block3d.mug import HANDLE
from muse.envs.bullet_envs.block3d.mug_env_3d import MugEnv3D
from muse.envs.env import EnvError, make
from muse.testing import check_env
from muse.utils.attrdicts import flatten

pytestmark = needs_pybullet


def first_row(env, presets=None, seed=None):
    return {name: value[0] for name, value in flatten(env.reset(presets, seed=seed)[0]).items()}


def test_contract():
    check_env(MugEnv3D, d(horizon=4, task="tip"), steps=5)


@pytest.mark.parametrize("task", ["lift", "place"])
def test_a_script_does_the_task(task):
    env = make(MugEnv3D, d(task=task))
    first = first_row(env, seed=1)
    assert not env.is_success()
    solve(env, first)
    assert env.is_success()


def test_a_mug_is_as_large_as_it_says_and_its_handle_points_along_its_yaw():
    env = make(MugEnv3D)
    presets = d(
        objects=d(position=np.array([[0.48, 0, 0.04]]), size=np.array([[0.06, 0.06, 0.08]]), orientation_eul=np.zeros((1, 3)))
    )
    low, high = np.split(first_row(env, presets, seed=0)["objects/aabb"][0], 2)
    np.testing.assert_allclose(low - [0.48, 0, 0.04], [-0.03, -0.03, -0.04], atol=2e-3)
    np.testing.assert_allclose(high - [0.48, 0, 0.04], [0.03 + HANDLE, 0.03, 0.04], atol=2e-3)


def test_a_mug_is_hollow():
    env = make(MugEnv3D, d(horizon=1000, done_on_success=False))
    presets = d(objects=d(position=np.array([[0.48, 0, 0.04]]), size=np.array([[0.068, 0.068, 0.08]])))
    env.reset(presets, seed=0)
    for place in ((0.48, 0, 0.15), (0.48, 0, 0.06)):
        action = d(action=np.array([[*place, 0, 0, 0, 255]], np.float32))
        for _ in range(8):
            seen = flatten(env.step(action)[0])
    # The ends of the closed fingers are below the rim, and touch nothing.
    assert seen["ee_position"][0, 2] == pytest.approx(0.06, abs=1e-3) and seen["objects/contact"] == 0


def test_mugs_are_round():
    with pytest.raises(EnvError, match="'objects/size'.*expected the same along x and y"):
        make(MugEnv3D).reset(d(objects=d(size=np.array([[0.06, 0.05, 0.07]]))), seed=0)
