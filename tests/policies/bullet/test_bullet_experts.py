"""The experts of bullet's worlds: that they solve what they are for, with every way of acting, and as skills of play."""

from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from needs import needs_pybullet
from scipy.spatial.transform import Rotation

from configs.helpers import load_base_config
from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.env import make, make_env_spec
from muse.experiments.assemble import assemble
from muse.policies.bullet.arm import Seen
from muse.policies.bullet.grasping import LiftExpert, PlaceExpert, RotateExpert
from muse.policies.bullet.pushing import PullExpert, PushExpert
from muse.policies.bullet.tipping import TipExpert
from muse.policies.policy import PolicyError
from muse.rollouts.loop import rollout, run_episodes
from muse.utils.abstract import build

ROOT = Path(__file__).resolve().parents[3]
#: World -> its expert's recipe.
WORLDS = {
    **{f"block3d_{task}": f"block3d_{task}_expert" for task in ("push", "pull", "lift", "place", "tip", "rotate")},
    **{f"mug3d_{task}": f"mug3d_{task}_expert" for task in ("lift", "place", "rotate")},
    "platform3d_onto": "platform3d_onto_expert", "platform3d_off": "platform3d_off_expert", "platform_mug3d_onto": "platform_mug3d_onto_expert",
}  # fmt: skip


def seen_with(euler, size, hand=(0.0, 0.0, 0.0)):
    turn = Rotation.from_euler("xyz", euler).as_matrix()
    return Seen(np.array(hand), np.array([1.0, 0, 0, 0]), np.zeros(3), 0.08, np.zeros(3), turn, np.array(size), np.zeros(3))


sizes = st.tuples(*[st.floats(0.02, 0.06)] * 3)


@given(st.tuples(*[st.floats(-3, 3)] * 3), sizes, st.floats(-3, 3))
def test_the_outline_of_a_box_reaches_as_far_as_its_corners(euler, size, angle):
    seen, direction = seen_with(euler, size), np.array([np.cos(angle), np.sin(angle)])
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T * size @ seen.turn.T
    assert seen.reach_along(direction) == pytest.approx((corners[:, :2] @ direction).max(), abs=1e-12)


@given(st.sampled_from([(0, 0), (np.pi / 2, 0), (0, np.pi / 2), (np.pi, 0)]), st.floats(-3, 3), sizes)
def test_fingers_close_on_two_sides_of_a_box_however_it_lies(lying, yaw, size):
    seen = seen_with([*lying, yaw], size)
    spec = make_env_spec(BlockEnv3D, d(task="lift"))
    for turn in LiftExpert(d(), spec).grasp_yaws(seen):
        across = np.array([-np.sin(turn), np.cos(turn), 0.0])
        assert abs(turn) <= np.pi / 2 and np.abs(across @ seen.turn).max() == pytest.approx(1.0, abs=1e-9)


def test_an_expert_of_another_task_says_so():
    with pytest.raises(PolicyError, match="RotateExpert: no 'goals/yaw' in the spec"):
        RotateExpert(d(), make_env_spec(BlockEnv3D, d(task="push")))


def assemble_world(world, monkeypatch, **env_options):
    monkeypatch.chdir(ROOT)
    env_group, _ = load_base_config(f"cfgs/env/{world}.py", [])
    policy_group, _ = load_base_config(f"cfgs/policy/{WORLDS[world]}.py", [])
    group = {**env_group, **env_options}
    spec = make_env_spec(group["cls"], group)
    return build(group, spec, where="env"), build(policy_group, spec, where="policy")


@needs_pybullet
@pytest.mark.parametrize("world", WORLDS)
def test_an_expert_solves_its_world_though_shaken(world, monkeypatch):
    env, policy = assemble_world(world, monkeypatch)
    assert policy.action_noise_std > 0 and policy.slip_probability > 0
    assert [rollout(env, policy, seed=seed).success for seed in range(2)] == [True, True]
    env.close()


@needs_pybullet
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", WORLDS)
def test_an_expert_solves_nearly_all_resets(world, monkeypatch):
    env, policy = assemble_world(world, monkeypatch)
    assert np.mean([rollout(env, policy, seed=seed).success for seed in range(200)]) >= 0.94
    env.close()


@needs_pybullet
def test_an_expert_acts_by_changes_of_the_pose_as_well(monkeypatch):
    env, policy = assemble_world("block3d_lift", monkeypatch, control_mode="delta_pose")
    episode = rollout(env, policy, seed=0)
    assert episode.success and np.abs(episode.inputs["action"][:, :3]).max() <= 0.0401
    env.close()


@needs_pybullet
def test_of_several_things_each_is_brought_to_its_goal(monkeypatch):
    env, policy = assemble_world("block3d_pull", monkeypatch, num_blocks=2, object_size_upper=[0.035] * 3)
    assert rollout(env, policy, seed=2).success
    env.close()


def far_enough(cls, before, after):
    """Whether what a skill did to a thing is what its name says, given how it was before and after."""
    way = after["place"] - before["place"]
    turned = Rotation.from_euler("xyz", after["euler"]) * Rotation.from_euler("xyz", before["euler"]).inv()
    return {
        PushExpert: way[0] > 0.05, PullExpert: way[0] < -0.05, LiftExpert: np.abs(way).max() < 0.02,
        PlaceExpert: np.linalg.norm(way[:2]) > 0.07, RotateExpert: 0.4 < turned.magnitude() < 1.4,
        TipExpert: 1.3 < turned.magnitude() < 1.9,
    }[cls]  # fmt: skip


@needs_pybullet
@pytest.mark.parametrize("cls", [PushExpert, PullExpert, LiftExpert, PlaceExpert, RotateExpert, TipExpert])
def test_a_skill_has_goals_of_its_own_and_ends_at_them(cls):
    env = make(BlockEnv3D, d(task="push", done_on_success=False, horizon=150))
    episode = rollout(env, cls(d(draws_goals=True), env.env_spec), seed=5)
    names = {"place": "objects/position", "euler": "objects/orientation_eul"}
    before, after = ({key: episode.inputs[name][row, 0] for key, name in names.items()} for row in (0, -1))
    assert len(episode) < 100 and far_enough(cls, before, after)
    if cls is LiftExpert:
        assert episode.inputs["objects/position"][:, 0, 2].max() > 0.08
    env.close()


@needs_pybullet
def test_play_goes_from_skill_to_skill_whatever_runs_beside_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    params, _ = load_base_config("cfgs/collect/block3d_play.py", ["%env_train", "--horizon", "90"])
    found = []
    for num_envs in (1, 2):
        experiment = assemble(params, with_datasets=False, num_envs=num_envs)
        try:
            found.append(run_episodes(experiment.vector_env, experiment.policy, None, [3, 4]))
        finally:
            experiment.close()
    for one, other in zip(*found, strict=True):
        assert len(one) == 90 and one.inputs["policy_switch"].sum() >= 2
        for name in ("action", "objects/position", "policy_type"):
            np.testing.assert_array_equal(one.inputs[name], other.inputs[name])
