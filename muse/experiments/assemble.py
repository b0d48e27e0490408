"""From a resolved params tree to objects, in a straight line: spec, datasets, model, policies, reward, envs.

Each object is made from those above it; nothing looks back. Environments come last: a simulator in processes of its own takes long to
begin, and nothing but their spec is needed before.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.dataset import Dataset
from muse.envs.env import Env, default_env_params, make, make_env_spec
from muse.envs.vector_env import VectorEnv
from muse.experiments.provenance import check_same_env, env_fingerprint
from muse.models.model import Model
from muse.policies.policy import Policy
from muse.rewards.reward import Reward
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import RESERVED_KEYS, build, check_known, is_group, own_options
from muse.utils.errors import MuseError, OptionError
from muse.utils.seeding import derive_seed
from muse.utils.torch_utils import evaluation_mode

_log = logging.getLogger(__name__)

#: Root keys that Muse's scripts read. Datasets may also be numbered: `dataset_train_1`.
ROOT_KEYS = (
    "device", "seed", "batch_size", "horizon", "dataset", "env_spec", "env_train", "env_holdout", "vector_env", "dataset_train",
    "dataset_holdout", "model", "policy", "goal_policy", "policy_holdout", "goal_policy_holdout", "trainer", "reward",
    "dataset_train_*",
    "dataset_holdout_*",
)  # fmt: skip

#: Those of them that are groups, datasets aside; `env_spec` may also be a dict of values without a class.
GROUP_KEYS = (
    "env_train", "env_holdout", "vector_env", "model", "policy", "goal_policy", "policy_holdout", "goal_policy_holdout", "trainer",
    "reward",
)  # fmt: skip


class AssemblyError(MuseError):
    """Groups that do not fit one another."""


@dataclass(repr=False)
class Experiment:
    """One of each noun, made to fit. A part that was not asked for, or that the recipe lacks, is None or empty.

    Attributes:
        params: The resolved tree that everything was made from.
        name: The experiment's name, or an empty string.
        seed: Root of every random stream.
        env_spec: The environment's spec with the model's additions, for all but the environments.
        own_spec: The environment's spec alone.
        env_group: The env's group, which `env` is made from.
        allow_mismatch: Whether weights from another environment are taken with a warning.
        vector_env: `B` envs stepped together.
    """

    params: AttrDict
    name: str
    seed: int
    env_spec: EnvSpec
    own_spec: EnvSpec
    env_group: AttrDict | None = None
    allow_mismatch: bool = False
    vector_env: VectorEnv | None = None
    env_holdout: VectorEnv | None = None
    datasets_train: list[Dataset] = field(default_factory=list)
    datasets_holdout: list[Dataset] = field(default_factory=list)
    model: Model | None = None
    policy: Policy | None = None
    goal_policy: Policy | None = None
    policy_holdout: Policy | None = None
    goal_policy_holdout: Policy | None = None
    reward: Reward | None = None
    _env: Env | None = None

    def __repr__(self) -> str:
        parts = [
            key
            for key in ("vector_env", "datasets_train", "datasets_holdout", "model", "policy", "goal_policy", "reward")
            if getattr(self, key)
        ]
        return f"Experiment({self.name!r}, seed={self.seed}, {', '.join(parts)})"

    @property
    def env(self) -> Env:
        """A single environment of the experiment, made when first asked for.

        Raises:
            AssemblyError: When the recipe has none.
        """
        if self._env is None:
            if self.env_group is None:
                raise AssemblyError("experiment", "no environment", "a recipe with a group 'env_train'")
            self._env = make(self.env_group["cls"], own_options(self.env_group), self.own_spec)
        return self._env

    def close(self) -> None:
        """Closes every environment."""
        for env in (self._env, self.vector_env, self.env_holdout):
            if env is not None:
                env.close()


def assemble(
    params: Mapping[str, Any],
    name: str = "",
    *,
    with_env: bool = True,
    with_datasets: bool = True,
    with_model: bool = True,
    num_envs: int | None = None,
    allow_mismatch: bool = False,
) -> Experiment:
    """Builds the parts of an experiment and checks that they fit.

    Args:
        params: The resolved tree (`load_base_config`), or one made by hand. Never changed.
        name: The experiment's name.
        with_env, with_datasets, with_model: Leave a part out: `collect` needs no data, a scripted policy no model.
        num_envs: Envs stepped together, over what the recipe says.
        allow_mismatch: Warn of data or weights that were made in another environment (class, options, simulator) instead of
            refusing them.

    Raises:
        MuseError: Where a group is missing, wrong, or does not fit another.
    """
    if not isinstance(params, Mapping):
        got = f"a {type(params).__name__}"
        raise AssemblyError(
            "assemble", got, "a params tree", "muse.load_params(recipe), or muse.load(folder) for a trained experiment"
        )
    params = AttrDict(dict(params.items()))
    check_groups(params)
    seed = _int_of(params, "seed", 0)
    env_group = params["env_train"] if is_group(params.get("env_train")) else None
    own_spec = make_own_spec(params)
    env_spec = extend_spec(own_spec, params)

    experiment = Experiment(params, name, seed, env_spec, own_spec, env_group, allow_mismatch)
    if with_datasets:
        experiment.datasets_train = make_datasets(params, "dataset_train", env_spec)
        experiment.datasets_holdout = make_datasets(params, "dataset_holdout", env_spec, experiment.datasets_train)
        now = recorded_fingerprint(experiment)
        for key, datasets in (("dataset_train", experiment.datasets_train), ("dataset_holdout", experiment.datasets_holdout)):
            for meta in (getattr(dataset, "meta", {}) for dataset in datasets):
                for before in meta.get("fingerprints", [meta.get("fingerprint", {})]):
                    check_same_env(f"the data of {key}", before, now, allow_mismatch)
    if with_model and is_group(params.get("model")):
        experiment.model = make_model(params["model"], env_spec, seed)
        _check_horizons(experiment)
    acting_spec = make_acting_spec(env_spec, params)
    for key in ("policy", "goal_policy", "policy_holdout", "goal_policy_holdout"):
        if is_group(params.get(key)):
            setattr(experiment, key, build(params[key], acting_spec, is_goal=key.startswith("goal"), where=key))
    if is_group(params.get("reward")):
        experiment.reward = build(params["reward"], env_spec, where="reward")
    _check_sampling(experiment)
    if with_env and env_group is not None:
        experiment.vector_env = _make_vector_env(params, env_group, own_spec, num_envs)
        if is_group(params.get("env_holdout")):
            experiment.env_holdout = _make_vector_env(params, params["env_holdout"], own_spec, num_envs)
    return experiment


def check_groups(params: Mapping[str, Any]) -> None:
    """Checks that what stands where a group is read is one, for a dict without a class would be left out.

    Raises:
        OptionError: For the first that has no `cls`, or a dataset whose name ends in no number.
    """
    for key, value in params.items():
        is_dataset = re.match("dataset_(train|holdout)", key) is not None
        if is_dataset and not re.fullmatch(r"dataset_(train|holdout)(_\d+)?", key):
            raise OptionError(f"recipe: '{key}'", "a dataset that is read by nobody", "'dataset_train_1', with a number")
        if (is_dataset or key in GROUP_KEYS) and value is not None and not is_group(value):
            raise OptionError(f"recipe: '{key}'", "no group", "a dict with the class to build under 'cls', or None")


def make_spec(params: Mapping[str, Any]) -> EnvSpec:
    """Returns the environment's spec with the model's additions; see `make_own_spec`."""
    return extend_spec(make_own_spec(params), params)


def make_own_spec(params: Mapping[str, Any]) -> EnvSpec:
    """Returns the spec that `env_train` has under its options, with the values of the group `env_spec` over it.

    Raises:
        AssemblyError: When the recipe has neither an env nor a whole spec.
    """
    env_group, spec_group = params.get("env_train"), params.get("env_spec")
    if is_group(env_group):
        spec = make_env_spec(env_group["cls"], own_options(env_group), _chosen_options(spec_group or {}))
        if spec_group is not None and not is_group(spec_group):
            check_known(type(spec), spec_group, "env_spec")
    elif is_group(spec_group):
        spec = build(spec_group, where="env_spec")
    else:
        raise AssemblyError("recipe", "neither 'env_train' nor 'env_spec'", "a group with a 'cls' for one of them")
    return spec


def extend_spec(spec: EnvSpec, params: Mapping[str, Any]) -> EnvSpec:
    """Returns `spec` with what the recipe's datasets make of their data, and with what its model and its policy add to it."""
    spec = spec.extended(_dataset_leaves(spec, params))
    for group in (params.get("model"), params.get("policy")):
        if is_group(group) and hasattr(group["cls"], "get_spec_leaves"):
            spec = spec.extended(group["cls"].get_spec_leaves(group, spec))
    return spec


def _dataset_leaves(spec: EnvSpec, params: Mapping[str, Any]) -> list[Leaf]:
    leaves: list[Leaf] = []
    for prefix in ("dataset_train", "dataset_holdout"):
        for key in _dataset_keys(params, prefix):
            get_leaves = getattr(params[key]["cls"], "get_spec_leaves", None)
            leaves += [] if get_leaves is None else get_leaves(params[key], spec)
    return leaves


def recorded_spec(experiment: Experiment) -> EnvSpec:
    """Returns what episodes of the experiment hold: its spec without what datasets make of their data."""
    made = {leaf.name for leaf in _dataset_leaves(experiment.own_spec, experiment.params)}
    return EnvSpec.from_leaves(experiment.env_spec.leaf(name) for name in experiment.env_spec.all_names if name not in made)


def make_acting_spec(spec: EnvSpec, params: Mapping[str, Any]) -> EnvSpec:
    """Returns what policies act by: `spec` with the goals that the model takes from its data in training, and a goal policy makes."""
    model_group = params.get("model")
    if not is_group(model_group) or not hasattr(model_group["cls"], "get_inner_leaves"):
        return spec
    leaves = model_group["cls"].get_inner_leaves(model_group, spec)
    return spec.extended([leaf for leaf in leaves if leaf.role == "goal" and leaf.name not in spec])


def _chosen_options(group: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of a group that differ from the defaults of its class, which resolving has filled in."""
    defaults = {argument.name: argument.default for argument in getattr(group.get("cls"), "predefined_arguments", ())}
    return {
        key: value
        for key, value in group.items()
        if (key == "cls" or key not in RESERVED_KEYS) and not (key in defaults and value == defaults[key])
    }


def make_datasets(params: Mapping[str, Any], prefix: str, env_spec: EnvSpec, bases: list[Dataset] | tuple = ()) -> list[Dataset]:
    """Builds the groups `<prefix>`, `<prefix>_1`, `<prefix>_2` ... in the order of their numbers.

    Args:
        bases: Datasets whose loaded arrays the ones with `load_from_base` share, by position.
    """
    datasets = []
    for position, key in enumerate(_dataset_keys(params, prefix)):
        base = bases[position] if position < len(bases) and params[key].get("load_from_base") else None
        datasets.append(build(params[key], env_spec, where=key, **({"base_dataset": base} if base is not None else {})))
    return datasets


def _dataset_keys(params: Mapping[str, Any], prefix: str) -> list[str]:
    numbered = []
    for key in params:
        match = re.fullmatch(rf"{prefix}(?:_(\d+))?", key)
        if match and is_group(params[key]):
            numbered.append((int(match.group(1) or 0), key))
    return [key for _, key in sorted(numbered)]


def make_model(group: Mapping[str, Any], env_spec: EnvSpec, seed: int) -> Model:
    """Builds a model whose first weights are a function of `seed`; torch's own generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "model"))
        return build(group, env_spec, where="model")


def recorded_fingerprint(experiment: Experiment) -> dict[str, Any]:
    """Returns the fingerprint of the experiment's environment, defaults filled in, as datasets and checkpoints keep it."""
    if experiment.env_group is None:
        return {}
    cls = experiment.env_group["cls"]
    return env_fingerprint({**default_env_params(cls, own_options(experiment.env_group)), "cls": cls})


def check_fit(experiment: Experiment) -> None:
    """Runs one batch, one forward and one action through the parts, so that a misfit shows before hours of training.

    Needs loaded statistics. No random stream, sampler or env is touched.

    Raises:
        MuseError: For the first thing that does not line up with the spec.
    """
    import torch

    spec, model = experiment.env_spec, experiment.model
    for dataset in experiment.datasets_train:
        if model is None or len(dataset) == 0:
            continue
        inputs, outputs = dataset.get_batch(np.arange(min(2, len(dataset))), torch_device=getattr(model, "device", "cpu"))
        spec.check(inputs, model.batch_names, where="first batch")
        with evaluation_mode(model), torch.no_grad():
            loss = model.loss(inputs, outputs).loss
        if loss.ndim != 0 or not bool(torch.isfinite(loss)):
            raise AssemblyError(
                "model.loss on the first batch", f"{loss}", "a finite scalar", "the model's options, or data without wild values"
            )
    if (
        experiment.policy is not None
        and experiment.policy.is_goal is False
        and (model is not None or not experiment.policy.uses_model)
    ):
        obs = {name: value[:, None] for name, value in spec.get_zeros(spec.observation_names, 1).items()}
        seen = spec if experiment.goal_policy is None else make_acting_spec(spec, experiment.params)
        goal = {name: value[:, None] for name, value in seen.get_zeros(seen.goal_names, 1).items()}
        experiment.policy.reset_policy(np.ones(1, bool), [0])
        action = experiment.policy.get_action(model, AttrDict.from_dict(obs), AttrDict.from_dict(goal))
        spec.check(action, spec.action_names, (1,), "policy.get_action", limits=True)


def _make_vector_env(
    params: Mapping[str, Any], env_group: Mapping[str, Any], env_spec: EnvSpec, num_envs: int | None
) -> VectorEnv:
    group = params.get("vector_env")
    options = own_options(group) if is_group(group) else {}
    if num_envs is not None:
        options["num_envs"] = num_envs
    cls = group["cls"] if is_group(group) else VectorEnv
    return cls(AttrDict(options), env_group, env_spec)


def _check_horizons(experiment: Experiment) -> None:
    wanted = experiment.model.horizon if experiment.model is not None else None
    for dataset in experiment.datasets_train if wanted is not None else []:
        has = getattr(dataset, "horizon", wanted)
        if has != wanted:
            raise AssemblyError(
                "dataset_train/horizon",
                str(has),
                f"{wanted}, which the model needs",
                "one root value 'horizon' that both groups read with a Field",
            )


def _check_sampling(experiment: Experiment) -> None:
    model = experiment.model
    for key in ("policy", "policy_holdout") if model is not None and model.noise_size == 0 else ():
        if getattr(getattr(experiment, key), "sample", False):
            raise AssemblyError(
                f"{key}/sample", "true, and the model draws nothing", "a model that gives a distribution to draw from",
                "%model %%action_decoder --use_policy_dist --no-use_policy_dist_mean, or %policy --no-sample",
            )  # fmt: skip


def _int_of(params: Mapping[str, Any], key: str, default: int) -> int:
    value = params.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionError(f"recipe: '{key}'", repr(value), "an int")
    return value
