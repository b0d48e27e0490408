"""The recipes of models: their names, and the models that they make."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from configs.helpers import load_base_config
from muse.models.bc import MLPActionDecoder
from muse.models.heads import DeterministicHead, GaussianHead, GaussianMixtureHead
from muse.specs import EnvSpec
from muse.testing import check_model
from muse.utils.abstract import build

SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("object", (14,), (-1, 1), np.float32), ("action", (7,), (-1, 1), np.float32)],
        observation_names=["object"],
        action_names=["action"],
    )
)


@pytest.fixture
def resolve(tmp_path):
    def run(recipe, *arguments):
        path = tmp_path / "recipe.py"
        path.write_text(
            "from attrdict import AttrDict as d\n"
            f"from cfgs.model import {recipe}\n"
            f"export = d(device='cpu', exp_name='run', model={recipe}.export)\n"
        )
        params, root = load_base_config(str(path), ["%model", *arguments])
        return params["model"], root.get_exp_name()

    return run


@pytest.mark.parametrize(
    "recipe, arguments, name, head",
    [
        ("bc_rnn", [], "run_bc-l2_lstm-hs400-ps0", DeterministicHead),
        ("bc_rnn", ["%%action_decoder", "--hidden_size", "1000"], "run_bc-l2_lstm-hs1000-ps0", DeterministicHead),
        (
            "bc_rnn",
            ["--normalize_states", "%%action_decoder", "--policy_loss", "l1"],
            "run_bc-l1-ns_lstm-hs400-ps0",
            DeterministicHead,
        ),
        (
            "bc_rnn",
            ["%%action_decoder", "--rnn_type", "gru", "--policy_size", "64"],
            "run_bc-l2_gru-hs400-ps64",
            DeterministicHead,
        ),
        ("bc_rnn_gmm", [], "run_bc-nll_lstm-hs400-ps0-pd5", GaussianMixtureHead),
        ("bc_gaussian", [], "run_bc-nll_lstm-hs400-ps0-pd1", GaussianHead),
        ("bc_mlp", ["%%action_decoder", "--mlp_depth", "2"], "run_bc-l2_mlp-ms256-md2", DeterministicHead),
    ],
)
def test_a_recipe_has_a_name_and_makes_a_model(resolve, recipe, arguments, name, head):
    group, made = resolve(recipe, *arguments)
    assert made == name
    model = build(group, SPEC, where="model")
    assert [type(one) for one in model.action_decoder.heads] == [head]
    assert isinstance(model.action_decoder, MLPActionDecoder) == (recipe == "bc_mlp")


def test_the_model_of_a_recipe_keeps_the_contract(resolve):
    group, _ = resolve("bc_rnn_gmm", "%%action_decoder", "--hidden_size", "16", "--no_use_policy_dist_mean")
    check_model(build(group, SPEC, where="model"))
