"""The experts of the playrooms: what they know of the desk, and that they solve what they are for."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pybullet

from configs.helpers import load_base_config
from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.block3d.desk import PLACE, door_place, drawer_handle, inside_drawer
from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerButtonPlayroomEnv3D, DrawerPlayroomEnv3D
from muse.envs.env import make_env_spec
from muse.policies.bullet.playroom import BlockInDrawerExpert, OpenCabinetExpert, OpenDrawerExpert
from muse.policies.policy import PolicyError
from muse.rollouts.loop import rollout
from muse.testing import check_policy
from muse.utils.abstract import build

TASKS = tuple(DrawerButtonPlayroomEnv3D.tasks)


def assemble(task, options=None, **params):
    group = {**load_base_config(f"cfgs/env/playroom_{task}.py", [])[0], **(options or {})}
    spec = make_env_spec(group["cls"], group)
    policy = {**load_base_config(f"cfgs/policy/playroom_{task}_expert.py", [])[0], **params}
    return build(d(group), spec, where="env"), build(d(policy), spec, where="policy")


def test_experts_know_the_desk():
    np.testing.assert_allclose(OpenCabinetExpert.HINGE, door_place()[:2])
    low, _ = inside_drawer(0.05)
    expert = BlockInDrawerExpert
    assert drawer_handle(0.05)[0] + expert.INSIDE == pytest.approx(low[0])
    assert pytest.approx((PLACE[0], low[2])) == (expert.FRONT, expert.BOTTOM)


def test_experts_keep_the_contract():
    check_policy(OpenDrawerExpert, None, make_env_spec(DrawerPlayroomEnv3D), params=d(action_noise_std=0.1))


def test_an_expert_of_another_world_says_so():
    with pytest.raises(PolicyError, match=r"OpenDrawerExpert: no 'drawer/handle_position' in the spec(.|\n)*DrawerPlayroomEnv3D"):
        OpenDrawerExpert(d(), make_env_spec(BlockEnv3D))
    spec = make_env_spec(DrawerPlayroomEnv3D, d(task="block_in_drawer", num_blocks=2))
    with pytest.raises(PolicyError, match=r"'objects/position' of shape \(2, 3\); expected 'objects/position' of shape \(1, 3\)"):
        BlockInDrawerExpert(d(), spec)


@needs_pybullet
@pytest.mark.parametrize("task", TASKS)
def test_an_expert_solves_its_task(task):
    for seed, params in enumerate(({"action_noise_std": 0.0}, {})):
        env, policy = assemble(task, **params)
        assert rollout(env, policy, seed=seed).success


@needs_pybullet
@pytest.mark.parametrize("task", ["close_drawer", "press_button"])
def test_an_expert_solves_its_task_by_changes_of_the_pose_from_anywhere(task):
    env, policy = assemble(task, {"control_mode": "delta_pose", "do_random_ee_position": True})
    assert rollout(env, policy, seed=3).success


@needs_pybullet
def test_what_is_lost_is_tried_again():
    env, policy = assemble("block_in_drawer", slip_probability=0.1, slip_size=1.0)
    assert rollout(env, policy, seed=0).success


@needs_pybullet
@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("task", TASKS)
def test_an_expert_solves_nearly_all_resets(task):
    env, policy = assemble(task)
    assert np.mean([rollout(env, policy, seed=seed).success for seed in range(200)]) >= 0.98
