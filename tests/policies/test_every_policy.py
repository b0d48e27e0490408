"""One contract, every policy."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.env import make, make_env_spec
from muse.envs.pymunk.maze_navigation_envs import NavigationBlockEnv2D
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.envs.pymunk.stack_block_env_2d import StackBlockEnv2D
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.simple.gym_env import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.policies.basic_policy import BasicPolicy
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.bullet import grasping, pushing, tipping
from muse.policies.controllers.classic_control import CartPoleExpert, PendulumExpert
from muse.policies.controllers.pid import PIDPolicy
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.goal_policies import ConstantGoalPolicy, EpisodeGoalPolicy
from muse.policies.memory_policy import MemoryPolicy
from muse.policies.meta_policy import MetaPolicy
from muse.policies.pymunk.maze_expert import MazeExpert
from muse.policies.pymunk.push_block import CarryBlockExpert, PushBlockExpert
from muse.policies.pymunk.stack_block import StackBlockExpert
from muse.policies.random_policy import RandomPolicy
from muse.policies.replay_policy import ReplayPolicy
from muse.policies.robosuite.experts import CanExpert, LiftExpert, SquareExpert
from muse.rollouts import rollout
from muse.specs import EnvSpec, Leaf
from muse.testing import FakeModel, FakePolicy, check_policy

POINT_MASS = make_env_spec(PointMassEnv, d(num_obstacles=3))
CARTPOLE = make_env_spec(GymEnv, d(env_type="CartPole-v1"))
SQUARE, LIFT, CAN = (make_env_spec(RobosuiteEnv, d(env_name=name)) for name in ("NutAssemblySquare", "Lift", "PickPlaceCan"))
PUSH, CARRY = (make_env_spec(PushBlockEnv2D, d(use_goal_angles=turns)) for turns in (False, True))
TABLE = {task: make_env_spec(BlockEnv3D, d(task=task, num_blocks=2)) for task in ("push", "rotate", "tip")}
PENDULUM = make_env_spec(GymEnv, d(env_type="Pendulum-v1"))
SKILLS = {"a": d(cls=PointMassExpert, action_noise_std=0.3, timeout=2), "b": d(cls=RandomPolicy, timeout=1)}
PLAY = {"push": d(cls=PushBlockExpert, draws_goals=True), "carry": d(cls=CarryBlockExpert, draws_goals=True, timeout=2)}
WITH_GOALS = POINT_MASS.extended([Leaf("goal/ego", (2,), 0, 1, np.float32, "m", "goal")])


def an_episode(spec: EnvSpec = POINT_MASS):
    env = make(PointMassEnv, d(num_obstacles=3), POINT_MASS)
    return rollout(env, RandomPolicy(d(timeout=7), spec), seed=1)


CASES = {
    "random": (RandomPolicy, POINT_MASS, {}, False, None),
    "random_integers": (RandomPolicy, CARTPOLE, {"timeout": 5}, False, None),
    "point_mass_expert": (PointMassExpert, POINT_MASS, {}, False, None),
    "noisy_expert": (PointMassExpert, POINT_MASS, {"action_noise_std": 0.3, "timeout": 4}, False, None),
    "cartpole_expert": (CartPoleExpert, CARTPOLE, {}, False, None),
    "pendulum_expert": (PendulumExpert, PENDULUM, {}, False, None),
    "pid": (
        PIDPolicy, POINT_MASS, {"value_name": "ego", "target_name": "target", "k_p": 3.0, "k_i": 0.5, "k_d": [1.0, 0.3]}, False, None
    ),
    "square_expert": (SquareExpert, SQUARE, {}, False, None),
    "slipping_expert": (SquareExpert, SQUARE, {"action_noise_std": 0.1, "slip_probability": 0.3, "timeout": 4}, False, None),
    "lift_expert": (LiftExpert, LIFT, {}, False, None),
    "can_expert": (CanExpert, CAN, {}, False, None),
    "push_block_expert": (PushBlockExpert, PUSH, {"action_noise_std": 0.3}, False, None),
    "carry_block_expert": (CarryBlockExpert, CARRY, {}, False, None),
    "bullet_push": (pushing.PushExpert, TABLE["push"], {"action_noise_std": 0.3, "slip_probability": 0.2}, False, None),
    "bullet_place": (grasping.PlaceExpert, TABLE["push"], {"round": True, "ends_when_done": True}, False, None),
    "bullet_lift": (grasping.LiftExpert, TABLE["rotate"], {"draws_goals": True, "timeout": 3}, False, None),
    "bullet_rotate": (grasping.RotateExpert, TABLE["rotate"], {}, False, None),
    "bullet_tip": (tipping.TipExpert, TABLE["tip"], {"action_noise_std": 0.1}, False, None),
    "maze_expert": (MazeExpert, make_env_spec(NavigationBlockEnv2D), {}, False, None),
    "stack_blocks_expert": (StackBlockExpert, make_env_spec(StackBlockEnv2D), {}, False, None),
    "meta": (MetaPolicy, MetaPolicy(d(SKILLS, policies=["a", "b"]), POINT_MASS).env_spec, {**SKILLS, "policies": ["a", "b"]}, False, None),
    "play": (MetaPolicy, CARRY, {**PLAY, "policies": ["push", "carry"], "max_steps_per_policy": 3}, False, None),
    "own_goals": (CarryBlockExpert, CARRY, {"draws_goals": True}, False, None),
    "replay": (ReplayPolicy, POINT_MASS, {"episode": an_episode()}, False, None),
    "constant_goal": (ConstantGoalPolicy, WITH_GOALS, {"goal": d(goal=d(ego=[0.1, 0.9]))}, True, None),
    "empty_goal": (ConstantGoalPolicy, WITH_GOALS, {}, True, None),
    "episode_goal": (EpisodeGoalPolicy, WITH_GOALS, {"episode": an_episode()}, True, None),
    "fake": (FakePolicy, POINT_MASS, {"timeout": 3}, False, None),
    **{
        f"{cls.__name__}_{'_'.join([*model, *options])}": (cls, POINT_MASS, options, False, model)
        for cls in (GCBCPolicy, MemoryPolicy, BasicPolicy)
        for model in ({}, {"recurrent": True, "draws": True})
        for options in ({"sample": True}, {"timeout": 6})
    },
    "flushed": (GCBCPolicy, POINT_MASS, {"replan_horizon": 2, "sample": True}, False, {"recurrent": True, "draws": True}),
    "no_memory": (GCBCPolicy, POINT_MASS, {"recurrent": False}, False, {"recurrent": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_policy_keeps_the_contract(name):
    cls, spec, params, is_goal, model = CASES[name]
    check_policy(cls, None if model is None else FakeModel(d(model), spec), spec, params=d(params), is_goal=is_goal)


@settings(max_examples=30)
@given(
    rows=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    resets=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 2**31 - 1)), max_size=6),
)
@pytest.mark.parametrize(
    "name", ["noisy_expert", "slipping_expert", "meta", "pid", "GCBCPolicy_recurrent_draws_sample", "random"]
)
def test_rows_are_independent(name, rows, resets):
    """Any rows side by side, begun anew at any time, act as each of them would alone."""
    cls, spec, params, is_goal, model_params = CASES[name]
    model = None if model_params is None else FakeModel(d(model_params), spec)
    if model is not None:
        model.eval()
    rng = np.random.default_rng(0)
    script = [
        {
            n: rng.uniform(0, 1, (4, 1, *spec.leaf(n).shape)).astype(np.float32)
            for n in (*spec.observation_names, *spec.param_names)
        }
        for _ in range(10)
    ]
    begins = {(t, row % len(rows)): seed for t, row, seed in resets}

    def play(which: list[int]) -> list[np.ndarray]:
        policy = cls(d(params), spec, is_goal)
        policy.reset_policy(np.ones(len(which), dtype=bool), [100 + row for row in which])
        actions = []
        for t, obs in enumerate(script):
            begun = {place: begins[t, row] for place, row in enumerate(which) if (t, row) in begins}
            if begun:
                policy.reset_policy(np.array([place in begun for place in range(len(which))]), list(begun.values()))
            seen = {n: value[[rows[row] for row in which]] for n, value in obs.items()}
            actions.append(policy.get_action(model, d.from_dict(seen), d())["action"])
        return np.stack(actions)

    together = play(list(range(len(rows))))
    for row in range(len(rows)):
        np.testing.assert_allclose(together[:, row], play([row])[:, 0], rtol=1e-4, atol=1e-5)
