"""Every dotted name of the specification imports from where it says."""

import importlib

import pytest

NAMES = [
    "attrdict.AttrDict",
    "configs.config_node.ConfigNode",
    "configs.fields.Field",
    "configs.helpers.get_script_parser",
    "configs.helpers.load_base_config",
    "muse.datasets.Hdf5Dataset",
    "muse.datasets.NpDataset",
    "muse.envs.env.make",
    "muse.envs.bullet_envs.block3d.block_env_3d.BlockEnv3D",
    "muse.envs.bullet_envs.block3d.playroom_env_3d.DrawerButtonPlayroomEnv3D",
    "muse.envs.bullet_envs.block3d.playroom_env_3d.DrawerPlayroomEnv3D",
    "muse.envs.polymetis.polymetis_panda_env.PolymetisPandaEnv",
    "muse.envs.pymunk.block_env_2d.BlockEnv2D",
    "muse.envs.robosuite.robosuite_env.RobosuiteEnv",
    "muse.envs.simple.gym.GymEnv",
    "muse.envs.simple.point_mass_env.PointMassEnv",
    "muse.experiments.logger",
    "muse.grouped_models.GroupedModel",
    "muse.models.bc.gcbc",
    "muse.models.rnn_model.RnnModel",
    "muse.policies.memory_policy.MemoryPolicy",
    "muse.trainers.Trainer",
    "muse.trainers.goal_trainer.GoalTrainer",
    "muse.utils.abstract.Argument",
    "muse.utils.abstract.BaseClass",
    "muse.utils.param_utils.LayerParams",
    "muse.utils.param_utils.SequentialParams",
    "muse.utils.param_utils.build_mlp_param_list",
]


def locate(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_where_the_specification_says(name):
    assert locate(name) is not None
