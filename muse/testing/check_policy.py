"""Tells in sentences what a policy does against the contract of `muse.policies.policy`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from muse.models.model import Model
from muse.policies.policy import Policy, PolicyError
from muse.specs import EnvSpec
from muse.testing.made_up import draw_values, fake_env_spec
from muse.testing.problems import listed
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.errors import MuseError
from muse.utils.seeding import make_generator
from muse.utils.torch_utils import evaluation_mode

#: Actions of a batch and of its rows one by one may differ by so much: matrix products round differently by size.
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
#: Rows, and steps of the short episodes that are played.
ROWS, STEPS = 3, 6

Flat = dict[str, np.ndarray]


def check_policy(
    policy_or_cls: Policy | type[Policy],
    model: Model | None = None,
    env_spec: EnvSpec | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    is_goal: bool = False,
    obs_fn: Callable[[np.random.Generator], Mapping[str, Any]] | None = None,
) -> None:
    """Runs a policy through everything that the loop of `muse.rollouts` will ask of it, on made-up observations.

        check_policy(MyPolicy, model, env_spec, params=d(timeout=100))

    Args:
        policy_or_cls: A class, or a policy, of whose class, options and spec others are then built.
        model: The model to act with, its statistics loaded; None for a policy that uses none.
        env_spec: Names, shapes and limits, for a class; a small made-up spec when None.
        params: Options, for a class.
        is_goal: Whether a class is built as a goal policy.
        obs_fn: Draws an observation of one row, leaves `(*shape)`, for a policy that cannot take just any within the limits.

    Raises:
        PolicyError: With a sentence for each thing that is wrong.
    """
    problems = policy_problems(policy_or_cls, model, env_spec, params=params, is_goal=is_goal, obs_fn=obs_fn)
    if problems:
        name = policy_or_cls.__name__ if isinstance(policy_or_cls, type) else type(policy_or_cls).__name__
        raise PolicyError(f"check_policy({name})", listed(problems))


def policy_problems(
    policy_or_cls: Policy | type[Policy],
    model: Model | None = None,
    env_spec: EnvSpec | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    is_goal: bool = False,
    obs_fn: Callable[[np.random.Generator], Mapping[str, Any]] | None = None,
) -> list[str]:
    """Returns what `check_policy` would raise as a list of sentences, empty for a good policy."""
    if isinstance(policy_or_cls, Policy):
        cls, params = type(policy_or_cls), policy_or_cls.params
        env_spec, is_goal = policy_or_cls.env_spec, policy_or_cls.is_goal
    else:
        cls = policy_or_cls
    check = _Check(cls, {} if params is None else params, env_spec or fake_env_spec(), is_goal, model, obs_fn)
    with evaluation_mode(model):
        return check.run()


class _Check:
    """One run over one policy; each method looks at one subject and notes what is wrong."""

    def __init__(
        self,
        cls: type[Policy],
        params: Mapping[str, Any],
        env_spec: EnvSpec,
        is_goal: bool,
        model: Model | None,
        obs_fn: Callable[[np.random.Generator], Mapping[str, Any]] | None,
    ) -> None:
        self.problems: list[str] = []
        self.cls, self.params, self.spec, self.is_goal, self.model = cls, params, env_spec, is_goal, model
        self.obs_fn = obs_fn
        self.rng = make_generator(0, "check_policy")
        #: What each of the rows sees, step by step, and the seeds that they begin with.
        self.script = [[self._draw_row() for _ in range(ROWS)] for _ in range(STEPS)]
        self.seeds = [11, 12, 13]

    def _draw_row(self) -> tuple[Flat, Flat]:
        spec = self.spec
        names = [name for name in (*spec.observation_names, *spec.param_names) if spec.leaf(name).dtype.kind in "iufb"]
        obs = draw_values(spec, names, (), self.rng)
        if self.obs_fn is not None:
            obs.update({name: np.asarray(value, spec.leaf(name).dtype) for name, value in flatten(self.obs_fn(self.rng)).items()})
        return obs, draw_values(spec, spec.goal_names, (), self.rng)

    def new(self) -> Policy:
        """Builds the policy."""
        return self.cls(self.params, self.spec, self.is_goal)

    def expect(self, condition: bool, sentence: str) -> None:
        """Notes the sentence, once, unless the condition holds."""
        if not condition and sentence not in self.problems:
            self.problems.append(sentence)

    def run(self) -> list[str]:
        """Returns the sentences; what rests on the basic ones is looked at when they hold."""
        basic = (self.construction, self.actions)
        further = (
            self.streams, self.neighbours, self.rows_that_begin, self.other_size, self.inputs_are_left_alone, self.ownership,
            self.global_random, self.termination, self.refusals,
        )  # fmt: skip
        for group in (basic, further):
            for check in group:
                try:
                    check()
                except Exception as error:
                    self.problems.append(f"{check.__name__}: raised {type(error).__name__}: {error}.")
            if self.problems:
                break
        return self.problems

    def see(self, t: int, rows: Sequence[int]) -> tuple[Flat, Flat]:
        """Returns what `rows` of the script see at step `t`: leaves `(B, 1, *shape)`."""
        parts = [self.script[t][row] for row in rows]
        return tuple({name: np.stack([part[i][name] for part in parts])[:, None] for name in parts[0][i]} for i in (0, 1))  # type: ignore[return-value]

    def act(self, policy: Policy, t: int, rows: Sequence[int]) -> Flat:
        """Asks for an action at step `t` and returns a copy of it."""
        obs, goal = self.see(t, rows)
        action = policy.get_action(self.model, nest(obs), nest(goal))
        return {name: np.array(value) for name, value in flatten(action).items()}

    def play(self, policy: Policy, rows: Sequence[int], seeds: Sequence[int | None], steps: int = STEPS) -> list[Flat]:
        """Plays the first steps of the script with `rows` of it; returns the actions."""
        policy.reset_policy(np.ones(len(rows), dtype=bool), list(seeds))
        return [self.act(policy, t, rows) for t in range(steps)]

    def compare(self, one: Iterable[Flat], other: Iterable[Flat], sentence: str, rows: tuple[Any, Any] = (..., ...)) -> None:
        """Notes the sentence when two lists of actions differ in the rows given for each."""
        for t, (a, b) in enumerate(zip(one, other, strict=True)):
            for name in a:
                same = name in b and _close(a[name][rows[0]], b[name][rows[1]])
                self.expect(same, f"{sentence} It was seen at step {t}, in '{name}'.")
                if not same:
                    return

    def construction(self) -> None:
        """Building leaves the options as they were."""
        before = repr(self.params)
        self.new()
        self.expect(repr(self.params) == before, "The constructor changed its params.")

    def actions(self) -> None:
        """Every action is what the spec says."""
        policy, spec = self.new(), self.spec
        for action in self.play(policy, (0, 1, 2), self.seeds):
            for name in policy.output_names:
                if name not in action:
                    self.expect(False, f"get_action returned no '{name}'.")
                    continue
                leaf, value = spec.leaf(name), action[name]
                if value.shape != (ROWS, *leaf.shape):
                    self.expect(False, f"get_action returned '{name}' of shape {value.shape} instead of {(ROWS, *leaf.shape)}.")
                    continue
                self.expect(
                    value.dtype == leaf.dtype, f"get_action returned '{name}' of {value.dtype}; the spec says {leaf.dtype}."
                )
                try:
                    spec.check(action, [name], (ROWS,), limits=True)
                except MuseError as error:
                    self.expect(False, f"get_action returned '{name}' with {error.got}; the spec says {error.expected}.")
        obs, goal = self.see(0, (0, 1, 2))
        raw = flatten(policy.get_action(self.model, nest(obs), nest(goal)))
        for name, value in raw.items():
            self.expect(
                isinstance(value, np.ndarray), f"get_action returned '{name}' as a {type(value).__name__}, not a numpy array."
            )
        held = [name for name, value in vars(policy).items() if self.model is not None and value is self.model]
        self.expect(not held, f"The policy holds the model, in {', '.join(held)}; it is given one at every call.")

    def streams(self) -> None:
        """The same seeds and observations give the same actions: again, in another instance, after others."""
        policy, other = self.new(), self.new()
        first = self.play(policy, (0, 1, 2), self.seeds)
        self.compare(first, self.play(other, (0, 1, 2), self.seeds), "Two policies with the same seeds act differently.")
        self.compare(
            first,
            self.play(policy, (0, 1, 2), self.seeds),
            "Reset with the same seeds, the policy acts differently the second time.",
        )

    def neighbours(self) -> None:
        """What a row does depends on its own seed and observations alone."""
        all_rows = self.play(self.new(), (0, 1, 2), self.seeds)
        alone = self.play(self.new(), (1,), self.seeds[1:2])
        self.compare(alone, all_rows, "A row acts differently alone and among others.", (0, 1))
        swapped = self.play(self.new(), (1, 2, 0), [self.seeds[1], 77, 78])
        self.compare(swapped, all_rows, "A row acts differently in another place, or beside rows of other seeds.", (0, 1))

    def rows_that_begin(self) -> None:
        """A row that begins again forgets; the others go on."""
        steps = STEPS // 2
        plain = self.play(self.new(), (0, 1, 2), self.seeds)
        policy = self.new()
        self.play(policy, (0, 1, 2), self.seeds, steps)
        policy.reset_policy(np.array([False, True, False]), [self.seeds[1]])
        begun, expected = [], []
        fresh = self.new()
        fresh.reset_policy(np.ones(1, dtype=bool), [self.seeds[1]])
        for t in range(steps, STEPS):
            begun.append(self.act(policy, t, (0, 1, 2)))
            expected.append(self.act(fresh, t, (1,)))
        self.compare(begun, expected, "A row that was reset does not act as a new one.", (1, 0))
        for row in (0, 2):
            self.compare(begun, plain[steps:], "Resetting a row changed what another row does.", (row, row))

    def other_size(self) -> None:
        """Another number of rows may begin, and `reset_policy()` begins all of them."""
        policy = self.new()
        self.play(policy, (0, 1, 2), self.seeds, 2)
        again = self.play(policy, (2,), self.seeds[2:])
        self.compare(
            again,
            self.play(self.new(), (2,), self.seeds[2:]),
            "After a reset to another number of rows, the policy acts differently.",
        )
        policy.reset_policy()
        self.act(policy, 0, (2,))

    def inputs_are_left_alone(self) -> None:
        """Neither observation nor goal nor options are written to."""
        policy = self.new()
        policy.reset_policy(np.ones(ROWS, dtype=bool), self.seeds)
        before = repr(self.params)
        for t in range(STEPS):
            given = [nest(part) for part in self.see(t, (0, 1, 2))]
            kept = [{name: value.copy() for name, value in flatten(part).items()} for part in given]
            policy.get_action(self.model, *given)
            for part, copy in zip(given, kept, strict=True):
                now = flatten(part)
                same = now.keys() == copy.keys() and all(_same(now[name], copy[name]) for name in copy)
                self.expect(same, "get_action changed the observation or the goal that it was given.")
        self.expect(repr(self.params) == before, "get_action changed the policy's params.")

    def ownership(self) -> None:
        """What was returned is the caller's."""
        policy = self.new()
        plain = self.play(self.new(), (0, 1, 2), self.seeds)
        held, spoiled = [], []
        for spoil in (False, True):
            policy.reset_policy(np.ones(ROWS, dtype=bool), self.seeds)
            for t in range(STEPS):
                obs, goal = self.see(t, (0, 1, 2))
                action = flatten(policy.get_action(self.model, nest(obs), nest(goal)))
                if not spoil:
                    held.append(action)
                    continue
                spoiled.append({name: value.copy() for name, value in action.items()})
                for value in action.values():
                    self.expect(value.flags.writeable, "get_action returned an array that cannot be written to.")
                    if value.flags.writeable and value.dtype.kind in "iufb":
                        value[...] = 0
            if not spoil:
                self.compare(plain, held, "A returned action changed later; return a copy.")
        self.compare(plain, spoiled, "Writing to a returned action changed later ones; return a copy.")

    def global_random(self) -> None:
        """The global generators are not used."""
        before = _global_states()
        self.play(self.new(), (0, 1, 2), self.seeds)
        after = _global_states()
        for name in before:
            self.expect(
                before[name] == after[name],
                f"The policy draws from {name}'s global generator; draw from one made of the row's seed.",
            )

    def termination(self) -> None:
        """`is_terminated` answers for every row, and with yes after `timeout` actions."""
        policy = self.new()
        policy.reset_policy(np.ones(ROWS, dtype=bool), self.seeds)
        self.act(policy, 0, (0, 1, 2))
        obs, goal = self.see(1, (0, 1, 2))
        ended = policy.is_terminated(self.model, nest(obs), nest(goal))
        fits = isinstance(ended, np.ndarray) and ended.shape == (ROWS,) and ended.dtype == bool
        self.expect(fits, f"is_terminated returned {_kind(ended)}; it must be a bool array ({ROWS},).")
        timeout = int(getattr(policy, "timeout", 0) or 0)
        if not fits or not 1 < timeout <= 1000:
            return
        for t in range(1, timeout):
            self.act(policy, t % STEPS, (0, 1, 2))
        self.expect(
            bool(np.all(policy.is_terminated(self.model, nest(obs), nest(goal)))),
            f"After its timeout of {timeout} actions a row was not ended.",
        )

    def refusals(self) -> None:
        """What cannot be done is an error that says so."""
        policy = self.new()
        policy.reset_policy(np.ones(2, dtype=bool), self.seeds[:2])
        self.refused("get_action with 3 rows after 2 have begun", lambda: self.act(policy, 0, (0, 1, 2)))
        if self.cls.uses_model:
            obs, goal = self.see(0, (0, 1))
            self.refused("get_action without a model", lambda: policy.get_action(None, nest(obs), nest(goal)))
        if self.cls.uses_model and self.model is not None:
            for name in self.model.input_names:
                lacking = [{other: value for other, value in part.items() if other != name} for part in self.see(0, (0, 1))]
                fresh = self.new()
                fresh.reset_policy(np.ones(2, dtype=bool), self.seeds[:2])
                if not self.is_goal and not any(has(part, name) for part in lacking):
                    self.refused(
                        f"get_action without '{name}', which the model reads",
                        lambda fresh=fresh, lacking=lacking: fresh.get_action(self.model, *map(nest, lacking)),  # type: ignore[misc]
                    )

    def refused(self, what: str, call: Callable[[], Any]) -> None:
        """Notes a problem unless `call` raises a `MuseError`."""
        try:
            call()
        except MuseError:
            return
        except Exception as error:
            self.expect(False, f"{what} raised {type(error).__name__}; it must be a PolicyError that says what to do.")
        else:
            self.expect(False, f"{what} was not refused.")


def _global_states() -> dict[str, Any]:
    return {
        "numpy": repr(np.random.get_state(legacy=False)),
        "python": random.getstate(),
        "torch": torch.get_rng_state().tolist(),
    }


def _same(one: Any, other: np.ndarray) -> bool:
    return isinstance(one, np.ndarray) and one.shape == other.shape and one.dtype == other.dtype and bool(np.all(one == other))


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(np.allclose(one, other, **CLOSE)) if one.dtype.kind == "f" else bool(np.all(one == other))


def _kind(value: Any) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
