"""Tells in sentences what an environment does against the contract of `muse.envs.env`."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import Env, EnvError, make, make_env_spec
from muse.envs.teleop import TELEOP_INPUTS, TeleopInput
from muse.specs import EnvSpec
from muse.testing.env_player import EnvPlayer, Row, Stop, copied, kind, same
from muse.testing.made_up import draw_values
from muse.testing.problems import listed
from muse.utils.attrdicts import flatten, nest
from muse.utils.errors import MuseError
from muse.utils.seeding import make_generator

#: Pictures that are looked at; they may take long.
_PICTURES = 3


def check_env(
    env_or_cls: Env | type[Env] | str,
    params: Mapping[str, Any] | None = None,
    *,
    presets: Sequence[Mapping[str, Any]] = (),
    steps: int = 100,
    seed: int = 0,
) -> None:
    """Checks an environment against its contract.

        check_env(MyEnv, d(num_steps=20), presets=[d(ego=np.array([0.1, 0.2]))])

    Args:
        env_or_cls: The class, its dotted name, or an env, of whose class, options and spec others are then built.
        params: Options, for a class.
        presets: Presets to try; every observation or goal that one names must come back as given.
        steps: Longest run; choose it longer than an episode, or what follows an end is not checked.
        seed: Of resets and actions.

    Raises:
        EnvError: With a sentence for each thing that is wrong.
    """
    problems = env_problems(env_or_cls, params, presets=presets, steps=steps, seed=seed)
    if problems:
        name = env_or_cls if isinstance(env_or_cls, str) else getattr(env_or_cls, "__name__", type(env_or_cls).__name__)
        raise EnvError(f"check_env({name})", listed(problems))


def env_problems(
    env_or_cls: Env | type[Env] | str,
    params: Mapping[str, Any] | None = None,
    *,
    presets: Sequence[Mapping[str, Any]] = (),
    steps: int = 100,
    seed: int = 0,
) -> list[str]:
    """Returns what `check_env` would raise as a list of sentences, empty for a good env."""
    if isinstance(env_or_cls, Env):
        env = env_or_cls

        def build() -> Env:
            return type(env)(env.params, env.env_spec)
    else:

        def build() -> Env:
            return make(env_or_cls, params)

    checker = _Checker(build, list(presets), steps, seed)
    try:
        if isinstance(env_or_cls, type) and issubclass(env_or_cls, Env):
            checker.guarded("get_default_env_spec_params", lambda: make_env_spec(env_or_cls, params))
        checker.run()
    except Stop:
        pass
    finally:
        checker.close()
    return checker.problems


class _Checker(EnvPlayer):
    def __init__(self, build: Callable[[], Env], presets: list[Mapping[str, Any]], steps: int, seed: int) -> None:
        super().__init__(build, steps, seed)
        self._presets = presets
        self._had_window = _window_is_open()

    def run(self) -> None:
        """Runs every check, the most basic first; a later one may rely on those before it."""
        env = self.new()
        self.spec, self._options = env.env_spec, repr(env.params)
        self._check_spec()
        rng = make_generator(self.seed, "check_env")
        self.actions = [draw_values(self.spec, self.spec.action_names, (1,), rng) for _ in range(self.steps)]
        self.refused("step before the first reset", lambda: env.step(self.action(0)))
        rows = self._check_episode(env)
        for check in (
            self._check_repeats,
            self._check_independence,
            self._check_ownership,
            self._check_global_random,
            self._check_unseeded,
        ):
            check(rows)
        self._check_presets()
        self._check_bad_actions()
        self._check_render(rows)
        self._check_teleop(rows)
        self._check_close()

    def _check_spec(self) -> None:
        if not isinstance(self.spec, EnvSpec):
            self.tell(f"env_spec is {kind(self.spec)}; it must be an EnvSpec.")
            raise Stop
        if not self.spec.action_names:
            self.tell("The spec has no action_names; a step must take an action.")
        if not self.spec.observation_names:
            self.tell("The spec has no observation_names; a policy must have something to see.")
        for name, kinds in (("reward", "f"), ("truncated", "b")):
            if name not in self.spec.output_observation_names:
                self.tell(f"The spec does not list '{name}' among its output_observation_names.")
            elif self.spec.leaf(name).shape != (1,) or self.spec.leaf(name).dtype.kind not in kinds:
                leaf = self.spec.leaf(name)
                self.tell(
                    f"The spec has '{name}' with shape {leaf.shape} of {leaf.dtype}; it must be (1,) {'float' if kinds == 'f' else 'bool'}."
                )

    def _check_episode(self, env: Env) -> list[Row]:
        spec = self.spec
        rows = self.play(env)
        goals, before = set(spec.goal_names), len(self.problems)
        for t, (obs, goal, done) in enumerate(rows):
            call = "step" if t else "reset"
            wanted = {*spec.observation_names, *(spec.output_observation_names if t else spec.param_names)}
            if done.all() and t:
                wanted |= set(spec.final_names)
            self._check_leaves(obs, wanted, f"{call}'s observation")
            self._check_leaves(goal, goals, f"{call}'s goal")
            truncated = obs.get("truncated")
            if t and isinstance(truncated, np.ndarray) and truncated.any() and not done.all():
                self.tell("step returned truncated without done; a limit that ends the episode sets both.")
        if len(self.problems) > before:
            raise Stop
        if not isinstance(self.guarded("is_success", env.is_success), (bool, np.bool_)):
            self.tell(f"is_success returned {kind(env.is_success())}; it must be a bool.")
        if rows[-1][2].all():
            self.refused("step after done", lambda: env.step(self.action(0)))
        return rows

    def _check_leaves(self, values: dict[str, Any], names: set[str], where: str) -> None:
        for name in sorted(names - set(values)):
            self.tell(f"{where} lacks '{name}', which the spec lists.")
        for name in sorted(set(values) - set(self.spec.all_names)):
            self.tell(f"{where} has '{name}', which the spec does not know.")
        for name in sorted(names & set(values)):
            leaf, value = self.spec.leaf(name), values[name]
            if not isinstance(value, np.ndarray):
                self.tell(f"{where} has '{name}' as {kind(value)}; it must be a numpy array.")
            elif value.shape != (1, *leaf.shape):
                self.tell(
                    f"{where} has '{name}' with shape {value.shape}; the spec says {(1, *leaf.shape)}, batch of one included."
                )
            elif value.dtype != leaf.dtype and leaf.dtype.kind not in "US":
                self.tell(f"{where} has '{name}' of {value.dtype}; the spec says {leaf.dtype}.")
            else:
                try:
                    self.spec.check(values, [name], (1,), where, limits=True)
                except MuseError as error:
                    self.tell(f"{where} has '{name}' with {error.got}; the spec says {error.expected}.")

    def _check_repeats(self, rows: list[Row]) -> None:
        env = self.envs[0]
        self.compare(
            rows, self.play(env), "The same env, reset with the same seed and given the same actions, played another episode"
        )
        self.compare(
            rows,
            self.play(self.new()),
            "Another env of the same options, with the same seed and actions, played another episode",
        )

    def _check_independence(self, rows: list[Row]) -> None:
        other = self.new()
        self.reset(other, self.seed + 1)
        state = {"running": True}

        def step_other(_row: Row, _action: AttrDict | None) -> None:
            if state["running"]:
                state["running"] = not self.step(other, self.action(-1))[2].all()

        self.compare(
            rows,
            self.play(self.envs[1], step_other),
            "Stepping one env changed what another one does; two envs must share nothing. It was seen",
        )

    def _check_ownership(self, rows: list[Row]) -> None:
        held: list[Row] = []

        def hold(row: Row, _action: AttrDict | None) -> None:
            held.append(row)

        copies = self.play(self.envs[0], hold)
        self.compare(copies, held, "An array that was returned changed later; return a copy. It was seen")

        def spoil(row: Row, action: AttrDict | None) -> None:
            for value in [*row[0].values(), *row[1].values(), *(flatten(action).values() if action else ())]:
                if value.flags.writeable and value.dtype.kind in "iufb":
                    value[...] = 0

        self.compare(
            rows,
            self.play(self.envs[0], spoil),
            "Writing to a returned array, or to the action afterwards, changed the episode; copy what is kept. It was seen",
        )
        given: list[AttrDict] = []

        def keep(_row: Row, action: AttrDict | None) -> None:
            if action is not None:
                given.append(action)

        self.play(self.envs[0], keep)
        for action, original in zip(given, self.actions, strict=False):
            if any(not same(flatten(action).get(name), value) for name, value in original.items()):
                self.tell("step changed the action that it was given; work on a copy.")
        if repr(self.envs[0].params) != self._options:
            self.tell("Playing an episode changed env.params; they are read and never written.")

    def _check_global_random(self, rows: list[Row]) -> None:
        numpy_state, python_state = np.random.get_state(), random.getstate()
        try:
            np.random.seed(12345)
            random.seed(12345)
            before = repr(np.random.get_state()), random.getstate()
            again = self.play(self.envs[0])
            if (repr(np.random.get_state()), random.getstate()) != before:
                self.tell(
                    "The env draws from, or seeds, the global generators of numpy or random; use one made from the seed of reset."
                )
            self.compare(rows, again, "The episode depends on the global random state. It was seen")
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)

    def _check_unseeded(self, rows: list[Row]) -> None:
        del rows
        starts = []
        for env in self.envs[:2]:
            self.reset(env, self.seed)
            starts.append([copied(self.reset(env, None)), copied(self.reset(env, None))])
        self.compare(
            starts[0],
            starts[1],
            "After the same seed, resets without a seed differ between two envs; the generator must go on, not start anew. It was seen",
        )

    def _check_presets(self) -> None:
        unknown = nest({"no/such_preset": np.zeros(1, np.float32)})
        self.refused("reset with an unknown preset", lambda: self.envs[0].reset(unknown, seed=self.seed))
        for presets in self._presets:
            given = flatten(presets)
            originals = {name: np.array(value) for name, value in given.items()}
            obs, goal, _ = self.reset(self.envs[0], self.seed, presets)
            for name, value in originals.items():
                came = obs.get(name, goal.get(name))
                if came is not None and not _close(came[0], value):
                    self.tell(f"reset was given '{name}' = {_shown(value)} as a preset, and began with {_shown(came[0])}.")
                if not same(np.asarray(given[name]), value):
                    self.tell(f"reset changed the preset '{name}' that it was given.")
            if not self.actions:
                continue
            first = self.play(self.envs[0], presets=presets)
            self.compare(
                first,
                self.play(self.envs[1], presets=presets),
                "With the same seed, presets and actions, two envs played different episodes",
            )

    def _check_bad_actions(self) -> None:
        env = self.envs[0]
        for name in self.spec.action_names:
            leaf = self.spec.leaf(name)
            bad: dict[str, np.ndarray | None] = {
                "without": None,
                "with a wrong shape of": np.zeros((1, *leaf.shape, 2), leaf.dtype),
                "with a batch of two of": np.zeros((2, *leaf.shape), leaf.dtype),
            }
            if leaf.dtype.kind == "f":
                bad["with NaN in"] = np.full((1, *leaf.shape), np.nan, leaf.dtype)
            for how, value in bad.items():
                self.reset(env, self.seed)
                flat = {other: array for other, array in flatten(self.action(0)).items() if other != name}
                self.refused(
                    f"step {how} '{name}'",
                    lambda flat=flat, value=value, name=name: env.step(nest(flat if value is None else {**flat, name: value})),
                )

    def _check_render(self, rows: list[Row]) -> None:
        env = self.envs[0]
        seen: list[Any] = []

        def look(_row: Row, _action: AttrDict | None) -> None:
            if len(seen) < _PICTURES:
                seen.append(self.guarded("render", env.render))

        self.compare(rows, self.play(env, look), "Calling render changed the episode. It was seen")
        for picture in seen:
            is_picture = (
                isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
            )
            if picture is not None and not is_picture:
                self.tell(f"render returned {kind(picture)}; it must be a uint8 array (Y, X, 3), or None.")
        if not self._had_window and not getattr(env, "render_window", False) and _window_is_open():
            self.tell("The env opened a window without being asked to (render=False).")

    def _check_teleop(self, rows: list[Row]) -> None:
        env = self.envs[0]
        unknown = set(env.teleop_inputs) - set(TELEOP_INPUTS)
        if unknown:
            self.tell(f"teleop_inputs has {', '.join(sorted(unknown))}; known are {', '.join(TELEOP_INPUTS)}.")
        if not env.teleop_inputs:
            return
        inputs = [TeleopInput(), TeleopInput((1.0,) * 6, 1.0), TeleopInput((-1.0,) * 6, 0.5), TeleopInput(pointer=(1.0, 0.0))]

        def drive(_row: Row, _action: AttrDict | None) -> None:
            for given in inputs:
                action = self.guarded("get_teleop_action", lambda given=given: env.get_teleop_action(given))
                self._check_leaves(flatten(action), set(self.spec.action_names), "get_teleop_action's action")

        self.compare(rows, self.play(env, drive), "Asking for an action of a person's changed the episode. It was seen")
        never = TeleopInput((float("nan"), *(0.0,) * 5))
        self.refused("get_teleop_action of a number that is not finite", lambda: env.get_teleop_action(never))

    def _check_close(self) -> None:
        env = self.envs[-1]
        self.guarded("close", env.close)
        self.guarded("close, called a second time,", env.close)


def _close(value: np.ndarray, other: np.ndarray) -> bool:
    if value.dtype.kind in "iufb":
        return value.shape == other.shape and np.allclose(value, other, atol=1e-5)
    return np.array_equal(value, other)


def _shown(value: np.ndarray) -> str:
    return np.array2string(value, precision=6, separator=", ", threshold=20)


def _window_is_open() -> bool:
    """Whether pygame or pyplot shows one; neither is imported to find out."""
    pygame, pyplot = sys.modules.get("pygame"), sys.modules.get("matplotlib.pyplot")
    return (pygame is not None and pygame.display.get_surface() is not None) or (
        pyplot is not None and bool(pyplot.get_fignums())
    )
