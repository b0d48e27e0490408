"""The recipes of policies build what they say, with options from the command line."""

from pathlib import Path

import numpy as np
import pytest

from configs.helpers import load_base_config
from muse.envs.bullet_envs.block3d.block_env_3d import BlockEnv3D
from muse.envs.bullet_envs.block3d.mug_env_3d import MugEnv3D
from muse.envs.bullet_envs.block3d.platform_block_env_3d import PlatformBlockEnv3D, PlatformMugEnv3D
from muse.envs.bullet_envs.block3d.playroom_env_3d import DrawerButtonPlayroomEnv3D, DrawerPlayroomEnv3D
from muse.envs.env import make_env_spec
from muse.envs.pymunk.arrange_block_env_2d import ArrangeBlockEnv2D
from muse.envs.pymunk.maze_navigation_envs import BottleneckNavigationBlockEnv2D, NavigationBlockEnv2D
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.envs.pymunk.push_t_env_2d import PushTEnv2D
from muse.envs.pymunk.slider_env_2d import SliderBlockEnv2D
from muse.envs.pymunk.stack_block_env_2d import StackBlockEnv2D
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.simple.gym_env import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.experiments.assemble import ROOT_KEYS, assemble
from muse.models.heads import CategoricalHead, DeterministicHead
from muse.testing import FakeEnv, check_policy
from muse.testing.made_up import statistics_of
from muse.utils.abstract import build

ROOT = Path(__file__).resolve().parents[2]
SPECS = {
    "square_expert": (RobosuiteEnv, {"env_name": "NutAssemblySquare"}),
    "lift_expert": (RobosuiteEnv, {"env_name": "Lift"}),
    "can_expert": (RobosuiteEnv, {"env_name": "PickPlaceCan"}),
    "cartpole_expert": (GymEnv, {"env_type": "CartPole-v1"}),
    "pendulum_expert": (GymEnv, {"env_type": "Pendulum-v1"}),
    "push_block_expert": (PushBlockEnv2D, {}),
    "carry_block_expert": (PushBlockEnv2D, {"use_goal_angles": True}),
    "maze_expert": (NavigationBlockEnv2D, {}),
    "bottlenecks_expert": (BottleneckNavigationBlockEnv2D, {}),
    "stack_blocks_expert": (StackBlockEnv2D, {}),
    "arrange_blocks_expert": (ArrangeBlockEnv2D, {}),
    "blocks_play": (PushBlockEnv2D, {"use_goal_angles": True}),
    **{f"block3d_{task}_expert": (BlockEnv3D, {"task": task}) for task in ("push", "pull", "lift", "place", "tip", "rotate")},
    **{f"mug3d_{task}_expert": (MugEnv3D, {"task": task}) for task in ("lift", "place", "rotate")},
    "platform3d_onto_expert": (PlatformBlockEnv3D, {}),
    "platform3d_off_expert": (PlatformBlockEnv3D, {"task": "off"}),
    "platform_mug3d_onto_expert": (PlatformMugEnv3D, {}),
    "block3d_play": (BlockEnv3D, {}),
    "slider_expert": (SliderBlockEnv2D, {}),
    "push_t_expert": (PushTEnv2D, {}),
    **{
        f"playroom_{task}_expert": (DrawerPlayroomEnv3D, {"task": task})
        for task in ("open_drawer", "close_drawer", "open_cabinet", "close_cabinet", "block_in_drawer")
    },
    "playroom_press_button_expert": (DrawerButtonPlayroomEnv3D, {}),
    "constant_goal": (FakeEnv, {}),
}
# A remote policy connects when it is built: tests/serving.
RECIPES = sorted(path.stem for path in (ROOT / "cfgs/policy").glob("*.py") if path.stem not in ("__init__", "gcbc", "remote"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_policy_recipe_builds(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    params, _ = load_base_config(f"cfgs/policy/{name}.py", ["--timeout", "5"])
    cls, options = SPECS.get(name, (PointMassEnv, {}))
    policy = build(params, make_env_spec(cls, options), is_goal="goal" in name, where="policy")
    assert policy.timeout == 5


@pytest.mark.parametrize(("name", "head"), [("cartpole_bc", CategoricalHead), ("pendulum_bc", DeterministicHead)])
def test_a_gym_recipe_fits_its_env(name, head, monkeypatch):
    monkeypatch.chdir(ROOT)
    params, root = load_base_config(f"cfgs/exp_gym/{name}.py", ["--horizon", "3"], reads=ROOT_KEYS)
    assert params["policy"]["replan_horizon"] == 3
    assert params["dataset_train"]["file"] == f"data/gym/{params['dataset']}.npz"
    assert root.get_exp_name().startswith("gym/")
    experiment = assemble(params, with_datasets=False)
    try:
        assert [type(each) for each in experiment.model.action_decoder.heads] == [head]
        experiment.model.load_statistics({n: statistics_of(np.eye(9)[:, : experiment.env_spec.leaf(n).size]) for n in ["obs"]})
        check_policy(experiment.policy, experiment.model)
    finally:
        experiment.close()
