import os
from pathlib import Path

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from configs.loading import load_config
from muse.cli.main import main
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.experiments.assemble import ROOT_KEYS, AssemblyError, assemble, check_fit, recorded_fingerprint
from muse.experiments.provenance import FingerprintError
from muse.policies.goal_policies import ConstantGoalPolicy
from muse.rollouts import rollout
from muse.specs import EnvSpec
from muse.utils.errors import MuseError, OptionError

RECIPE = "cfgs/exp_point_mass/bc_rnn.py"


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("assemble"))
    assert (
        main(
            [
                "collect",
                "--max_eps",
                "12",
                "--save_file",
                "data/point_mass/scripted_200.npz",
                RECIPE,
                "%policy",
                "cfgs/policy/point_mass_expert.py",
            ]
        )
        == 0
    )
    yield load_config(RECIPE, ["%model", "%%action_decoder", "--hidden_size", "8"], reads=ROOT_KEYS)[0]
    os.chdir(before)


def changed(params, **groups):
    return d({**dict(params.items()), **groups})


def test_one_config_builds_twice_to_the_same(params):
    before = repr(params)
    one, other = assemble(params, "a"), assemble(params, "a")
    assert repr(params) == before
    assert one.env_spec == other.env_spec
    weights = [dict(experiment.model.named_parameters()) for experiment in (one, other)]
    assert weights[0] and all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    batches = [
        e.datasets_train[0].get_batch(e.datasets_train[0].get_sampler(e.seed).next_indices())[0]["ego"] for e in (one, other)
    ]
    assert np.array_equal(*batches)
    for experiment in (one, other):
        experiment.model.load_statistics(experiment.datasets_train[0].get_statistics(experiment.model.statistics_names))
        check_fit(experiment)
        experiment.close()


def test_first_weights_follow_the_seed_and_leave_torch_alone(params):
    state = torch.get_rng_state()
    one, other = assemble(params, with_env=False), assemble(changed(params, seed=1), with_env=False)
    assert torch.equal(torch.get_rng_state(), state)
    name = next(key for key, value in one.model.state_dict().items() if "weight" in key)
    assert not torch.equal(one.model.state_dict()[name], other.model.state_dict()[name])


def test_parts_can_be_left_out(params):
    nothing = assemble(params, with_env=False, with_datasets=False, with_model=False)
    assert (nothing.vector_env, nothing.datasets_train, nothing.model) == (None, [], None)
    assert isinstance(nothing.env, PointMassEnv)
    vector = assemble(params, with_datasets=False, with_model=False, num_envs=3).vector_env
    assert vector.num_envs == 3


def test_train_and_holdout_share_no_episode(params):
    experiment = assemble(params, with_env=False, with_model=False)
    train, holdout = experiment.datasets_train[0], experiment.datasets_holdout[0]
    assert train.get_num_episodes() + holdout.get_num_episodes() == 12
    starts = [
        {dataset.get_episode(i)["ego"][0].tobytes() for i in range(dataset.get_num_episodes())} for dataset in (train, holdout)
    ]
    assert not starts[0] & starts[1]


def test_numbered_datasets_come_in_order(params):
    second = params["dataset_train"] & d(load_episode_range=[0.0, 0.5])
    experiment = assemble(changed(params, dataset_train_1=second), with_env=False, with_model=False)
    assert [dataset.get_num_episodes() for dataset in experiment.datasets_train] == [11, 6]


def test_an_option_of_the_env_reaches_the_spec(params):
    spec = assemble(
        changed(params, env_train=params["env_train"] & d(num_obstacles=5)), with_datasets=False, with_model=False
    ).env_spec
    assert spec.leaf("objects/position").shape == (5, 2)


def test_values_of_env_spec_go_over_those_of_the_env(params):
    group = d(cls=EnvSpec, observation_names=["ego", "target"], names_shapes_limits_dtypes=None, param_names=[])
    spec = assemble(
        changed(params, env_spec=d({k: v for k, v in group.items() if v is not None})), with_datasets=False, with_model=False
    ).own_spec
    assert spec.observation_names == ("ego", "target")


def test_a_fingerprint_holds_class_options_and_versions(params):
    found = recorded_fingerprint(assemble(params, with_env=False, with_datasets=False, with_model=False))
    assert found["class"].endswith("PointMassEnv") and found["params"]["num_obstacles"] == 3 and "numpy" in found["versions"]


def test_data_of_another_environment_is_refused_unless_allowed(params, caplog):
    assemble(changed(params, env_train=params["env_train"] & d(num_steps=50)), with_env=False, with_model=False)
    other = changed(params, env_train=params["env_train"] & d(ego_speed=0.05))
    with pytest.raises(
        FingerprintError, match="the data of dataset_train: made in another environment: ego_speed 0.025, now 0.05"
    ):
        assemble(other, with_env=False, with_model=False)
    assert not caplog.records
    assemble(other, with_env=False, with_model=False, allow_mismatch=True)
    assert [r.getMessage() for r in caplog.records] == [
        f"the data of {key} was made in another environment: ego_speed 0.025, now 0.05"
        for key in ("dataset_train", "dataset_holdout")
    ]


def test_a_recipe_without_a_world_says_so():
    with pytest.raises(AssemblyError) as info:
        assemble(d(seed=0))
    assert str(info.value) == "recipe: neither 'env_train' nor 'env_spec'; expected a group with a 'cls' for one of them"


def test_a_seed_is_a_whole_number(params):
    with pytest.raises(OptionError) as info:
        assemble(changed(params, seed="one"))
    assert str(info.value) == "recipe: 'seed': 'one'; expected an int"


def test_a_policy_cannot_draw_from_a_model_that_draws_nothing(params):
    drawing = changed(params, policy=params["policy"] & d(sample=True))
    with pytest.raises(AssemblyError) as info:
        assemble(drawing, with_env=False, with_datasets=False)
    assert str(info.value) == (
        "policy/sample: true, and the model draws nothing; expected a model that gives a distribution to draw from\n"
        "  try: %model %%action_decoder --use_policy_dist --no-use_policy_dist_mean, or %policy --no-sample"
    )
    model = params["model"] & d(action_decoder=d(use_policy_dist=True, use_policy_dist_mean=False))
    assert assemble(changed(drawing, model=model), with_env=False, with_datasets=False).model.noise_size > 0


def test_a_goal_policy_makes_the_goals_that_training_takes_from_the_data(params):
    goal = d.from_dict({"goal/ego": np.array([0.25, 0.5], np.float32)})
    model = params["model"] & d(use_goal=True, use_last_state_goal=True, state_names=["ego"])
    experiment = assemble(changed(params, model=model, goal_policy=d(cls=ConstantGoalPolicy, goal=goal)))
    assert "goal/ego" not in experiment.env_spec
    experiment.model.load_statistics(experiment.datasets_train[0].get_statistics(experiment.model.statistics_names))
    check_fit(experiment)
    episode = rollout(experiment.env, experiment.policy, experiment.model, seed=0, goal_policy=experiment.goal_policy)
    assert len(episode) > 0


@pytest.mark.parametrize("key", ["vector_env", "reward", "dataset_holdout", "dataset_train_1", "goal_policy"])
def test_a_group_without_a_class_is_not_left_out(params, key):
    with pytest.raises(OptionError) as info:
        assemble(changed(params, **{key: d(num_envs=3)}), with_env=False, with_datasets=False)
    assert str(info.value) == f"recipe: '{key}': no group; expected a dict with the class to build under 'cls', or None"


def test_a_dataset_that_nobody_reads_is_not_left_out(params):
    with pytest.raises(OptionError) as info:
        assemble(changed(params, dataset_train_more=params["dataset_train"]), with_env=False, with_datasets=False)
    assert str(info.value) == (
        "recipe: 'dataset_train_more': a dataset that is read by nobody; expected 'dataset_train_1', with a number"
    )


def test_an_unknown_value_of_env_spec(params):
    with pytest.raises(OptionError, match=r"env_spec: no option 'observation_name' \(did you mean 'observation_names'\?\)"):
        assemble(changed(params, env_spec=d(observation_name=["ego"])), with_env=False, with_datasets=False, with_model=False)


def test_errors_say_which_group_was_being_built(params):
    with pytest.raises(MuseError) as info:
        assemble(changed(params, model=params["model"] & d(state_names=["eggo"])), with_env=False, with_datasets=False)
    assert any("while building 'model'" in note for note in info.value.__notes__)


def test_a_misfit_shows_before_training(params):
    experiment = assemble(
        changed(params, model=params["model"] & d(preproc_fn=lambda inputs: {**inputs, "ego": inputs["ego"] * float("nan")})),
        with_env=False,
    )
    experiment.model.load_statistics(experiment.datasets_train[0].get_statistics(experiment.model.statistics_names))
    with pytest.raises(AssemblyError, match="model.loss on the first batch: .*nan.*; expected a finite scalar"):
        check_fit(experiment)
