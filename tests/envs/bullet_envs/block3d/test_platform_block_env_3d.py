import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet
from solving import solve

from muse.envs.bullet_envs.block3d.platform_block_env_3d import PlatformBlockEnv3D, PlatformMugEnv3D
from muse.envs.bullet_envs.block3d.platforms import find_platforms, nearest_platform
from muse.envs.bullet_envs.table import CENTRE, HALF
from muse.envs.env import EnvError, make
from muse.testing import check_env
from muse.utils.attrdicts import flatten


def first_row(env, presets=None, seed=None):
    return {name: value[0] for name, value in flatten(env.reset(presets, seed=seed)[0]).items()}


@needs_pybullet
def test_contract():
    check_env(PlatformMugEnv3D, d(horizon=4, task="off"), steps=5)


@needs_pybullet
@pytest.mark.parametrize("world", [PlatformBlockEnv3D, PlatformMugEnv3D])
@pytest.mark.parametrize("task", ["onto", "off"])
def test_a_script_does_the_task(world, task):
    env = make(world, d(task=task))
    first = first_row(env, seed=1)
    raised = [first[name][0, 2] - first["objects/size"][0, 2] / 2 for name in ("objects/position", "goals/position")]
    assert raised == pytest.approx([0, 0.16 / 3] if task == "onto" else [0.16 / 3, 0], abs=1e-6)
    solve(env, first)
    assert env.is_success()


def test_platforms_lie_side_by_side_along_the_edges():
    platforms = find_platforms(0.08, 0.05)
    area = sum((p.high[0] - p.low[0]) * (p.high[1] - p.low[1]) for p in platforms)
    inner = 4 * (HALF[0] - 0.08) * (HALF[1] - 0.08)
    assert area == pytest.approx(4 * HALF[0] * HALF[1] - inner)
    x, y = CENTRE
    assert [nearest_platform(platforms, place) for place in ((x - 0.1, y), (x + 0.1, y), (x, y - 0.15), (x, y + 0.15))] == [
        0,
        1,
        2,
        3,
    ]
    assert platforms[0].distance((x, y)) == pytest.approx(HALF[0] - 0.08) and platforms[0].distance((x - 0.19, y)) == 0


@needs_pybullet
def test_the_nearest_platform_is_that_of_the_goal_when_done():
    env = make(PlatformBlockEnv3D)
    first = first_row(env, seed=4)
    solve(env, first)
    assert env.platforms[env.find_nearest_platform()[0]].distance(first["goals/position"][0, :2]) == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(platform_extent=0.2), "platform_extent: 0.2; expected from 0.06 to 0.1"),
        (d(platform_height=0.0), "platform_height: 0.0"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError, match=message):
        make(PlatformBlockEnv3D, params)
