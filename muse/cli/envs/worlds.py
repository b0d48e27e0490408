"""The worlds that there are: recipes of `cfgs/env` that name an environment, found by looking."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attrdict import AttrDict

from configs.helpers import find_configs, load_base_config
from muse.cli.doctor import EXTRAS
from muse.envs.env import Env, make_env_spec
from muse.experiments.assemble import Experiment, assemble
from muse.experiments.provenance import package_version
from muse.specs import EnvSpec
from muse.utils.abstract import is_group, own_options
from muse.utils.errors import MissingExtraError, OptionError, nearest

FOLDER = "cfgs/env"

#: Episodes that the recipes of worlds learn from.
DEMONSTRATIONS = 1000


@dataclass(frozen=True)
class Need:
    """What a world asks for besides Muse's core.

    Attributes:
        extra: The extra of Muse that installs it; empty where none does.
        packages: Distributions.
        missing: Those of them that are not installed.
    """

    extra: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def name(self) -> str:
        """The extra, else the packages."""
        return self.extra or " ".join(self.packages)

    @property
    def command(self) -> str:
        """What installs it."""
        if self.extra:
            return f"pip install -e '.[{self.extra}]' -c constraints.txt"
        return "see docs/real-robot.md" if self.name == "polymetis" else f"pip install {self.name}"


@dataclass(frozen=True)
class World:
    """A recipe of an environment.

    Attributes:
        name: The recipe's file name without its ending.
        recipe: Its path.
        description: Its docstring.
        group: Its values, with `cls`; defaults filled in.
        expert: Path of the recipe of a policy that demonstrates it; empty where there is none.
    """

    name: str
    recipe: str
    description: str
    group: AttrDict
    expert: str = ""

    @property
    def cls(self) -> type[Env]:
        """Its class."""
        return self.group["cls"]

    @property
    def is_listed(self) -> bool:
        """Whether it is one of `find_worlds`; other recipes may have the name of one."""
        return self.recipe == f"{FOLDER}/{self.name}.py"

    @property
    def summary(self) -> str:
        """The first paragraph of its description, in one line."""
        return " ".join(self.description.split("\n\n")[0].split())

    @property
    def options(self) -> dict[str, Any]:
        """The options of its class, all of them."""
        return own_options(self.group)

    @property
    def time_limit(self) -> int | None:
        """The number of steps after which an episode is cut."""
        return self.cls.get_time_limit(self.options)

    @property
    def need(self) -> Need | None:
        """What it asks for besides Muse's core: its simulators, and the extra that installs them."""
        extras = {distribution: extra for extra, distribution, _, _ in EXTRAS}
        packages = self.cls.fingerprint_packages
        if not packages:
            return None
        extra = next((extras[package] for package in packages if package in extras), "")
        return Need(extra, packages, tuple(package for package in packages if package_version(package) is None))

    def make_spec(self) -> EnvSpec:
        """Returns its spec."""
        return make_env_spec(self.cls, self.options)

    def check_installed(self) -> None:
        """Raises `MissingExtraError` where something that it asks for is not installed."""
        if self.need is not None and self.need.missing:
            expected = f"the extra '{self.need.extra}' to be installed" if self.need.extra else ""
            raise MissingExtraError(self.name, f"no package '{self.need.missing[0]}'", expected, self.need.command)


def find_worlds() -> list[World]:
    """Returns every world, by name. Recipes of `cfgs/env` that name no environment are none."""
    worlds = []
    for recipe in find_configs(f"{FOLDER}/*.py"):
        params, root = load_base_config(recipe, [])
        if _is_env(params):
            worlds.append(_make_world(recipe, params, root.get_config_text()))
    return worlds


def load_world(config: str, words: Sequence[str] = ()) -> World:
    """Returns a world.

    Args:
        config: Its name, the path of a recipe, or `exp=<folder>`. Of an experiment the world is the one in `env_train`.
        words: What stands behind it on the command line.

    Raises:
        OptionError: When there is no such world, or the recipe has no environment.
    """
    recipe = config
    if not config.endswith(".py") and not config.startswith("exp="):
        recipe = f"{FOLDER}/{config}.py"
        known = find_configs(f"{FOLDER}/*.py")
        if recipe not in known:
            names = [Path(path).stem for path in known]
            hint = "muse envs, which lists them"
            raise OptionError("muse envs", f"no world '{config}'{nearest(config, names)}", "a world's name or a recipe", hint)
    params, root = load_base_config(recipe, words)
    group = params if _is_env(params) else params.get("env_train")
    if not _is_env(group):
        raise OptionError(recipe, "no environment", "an 'export' whose 'cls', or that of its group 'env_train', is one")
    return _make_world(recipe, group, root.get_config_text())


def own_experiment(world: World) -> str:
    """Returns the path of the recipe of a world's name in `cfgs/exp_worlds`, empty where there is none."""
    own = f"cfgs/exp_worlds/{world.name}.py"
    return own if world.is_listed and find_configs(own) else ""


def find_experiment(world: World) -> str:
    """Returns the path of a recipe that trains in a world: its own, else the first whose `env_train` is the same, else nothing."""
    if own := own_experiment(world):
        return own
    for recipe in find_configs("cfgs/exp_*/**/*.py"):
        group = load_base_config(recipe, [])[0].get("env_train")
        if _is_env(group) and group == world.group:
            return recipe
    return ""


def commands_of(world: World, experiment: str) -> list[list[str]]:
    """Returns what to type to collect demonstrations where a world has an expert, and to train on them where it has a recipe for that.

    Args:
        experiment: What `find_experiment` says. One that is not the world's own wants data of its own.
    """
    commands, is_own = [], bool(experiment) and experiment == own_experiment(world)
    if world.expert:
        file = load_base_config(experiment, [])[0]["dataset_train"]["file"] if is_own else f"data/worlds/{world.name}.npz"
        # To collect, nothing of an experiment counts but its world.
        recipe = [experiment] if experiment else ["cfgs/exp_point_mass/bc_rnn.py", "%env_train", world.recipe]
        amount = ["--max_eps", str(DEMONSTRATIONS), "--only_successful", "--save_file", str(file)]
        commands.append(["muse", "collect", *amount, *recipe, "%policy", world.expert])
    return [*commands, ["muse", "goal_train", "--no_wandb", experiment]] if is_own else commands


def assemble_expert(world: World, num_envs: int = 1) -> Experiment:
    """Returns a world with the policy that demonstrates it; without a policy where there is none.

    Args:
        num_envs: Environments stepped together, in this process.
    """
    params = AttrDict(env_train=world.group)
    if world.expert:
        params.policy = load_base_config(world.expert, [])[0]
    return assemble(params, world.name, with_datasets=False, with_model=False, num_envs=num_envs)


def _make_world(recipe: str, group: Mapping[str, Any], text: str) -> World:
    description = (ast.get_docstring(ast.parse(text), clean=False) or "").strip()
    world = World(Path(recipe).stem, recipe, description, AttrDict(group))
    expert = f"cfgs/policy/{world.name}_expert.py"
    return replace(world, expert=expert) if world.is_listed and find_configs(expert) else world


def _is_env(group: Any) -> bool:
    return is_group(group) and isinstance(group["cls"], type) and issubclass(group["cls"], Env)
