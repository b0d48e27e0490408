"""THE loop that steps an env with a policy. Everything that acts in Muse (training, evaluation, collection) goes through it.

    episodes = run_episodes(env, policy, model, seeds=episode_seeds(0, 100))
    episode = rollout(env, policy, model, seed=3)

One seed per episode begins the env and the row of the policy alike, so an episode does not depend on how many envs ran, nor on
which env it came to: with a policy without a model 1 env and 8 envs give bit-equal episodes; with a model the same ones up to
the rounding of a batched matmul.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from muse.envs.env import Env
from muse.envs.vector_env import VectorEnv
from muse.models.model import Model
from muse.policies.policy import Policy
from muse.rollouts.actor import Actor, Flat
from muse.rollouts.episode_queue import EpisodeQueue, LostEpisode, RolloutError
from muse.rollouts.recorder import Recorder
from muse.rollouts.step_buffer import StepBuffer
from muse.specs import Episode
from muse.utils.attrdicts import flatten, nest
from muse.utils.progress import Progress

if TYPE_CHECKING:
    from muse.rewards.reward import Reward


class RolloutLoop:
    """Works off a queue of episodes with the `B` envs of a `VectorEnv`; each env takes the next one as soon as its own ends.

        loop = RolloutLoop(env, policy, model)
        loop.start(seeds)
        while not loop.is_finished:
            for episode in loop.step():
                dataset.add_episode(episode)

    An episode ends when the env is done, when the policy (or the goal policy) says so, or after `max_steps`. `truncated` is true
    on its last row unless the env itself ended the task there. Its `success` is `env.is_success()` in the state in which it
    ended: a task that was solved on the way and undone again counts as failed.

    The env's goals are overwritten, name by name, by those of `goal_policy`, which is asked before every action; the episode
    holds the goals that the policy saw. The policy sees the params of the episode at every step, as a dataset gives them in a
    window. Finals are in an episode that the env itself ended; an env tells them only then. A model in training mode is put in
    evaluation mode for the step and back.

    An env that fails (see `VectorEnv`: it died, hung or broke down) costs its episode. What there was of it is dropped, the env is
    built anew, and the episode is run again from its seed and preset, `retries` times; then it is given up and listed in `lost`.
    The other envs go on as if nothing had been. Only when no env works at all is an error raised.

    Args:
        env: The envs, all of one spec, or a single one.
        policy: Makes the actions.
        model: Given to the policy; None for a policy that uses none.
        goal_policy: Makes goals.
        reward: Its value becomes the `reward` of each step, whatever the env says.
        recorders: Are told of every episode. The loop closes them in `close`.
        max_steps: Actions after which an episode is cut; 0: never.
        retries: How often an episode is run again whose env failed.
    """

    def __init__(
        self,
        env: Env | VectorEnv,
        policy: Policy,
        model: Model | None = None,
        *,
        goal_policy: Policy | None = None,
        reward: Reward | None = None,
        recorders: Sequence[Recorder] = (),
        max_steps: int = 0,
        retries: int = 2,
    ) -> None:
        if max_steps < 0:
            raise RolloutError("RolloutLoop: max_steps", str(max_steps), "a number of actions, or 0 for no limit")
        if retries < 0:
            raise RolloutError("RolloutLoop: retries", str(retries), "a number of times, or 0 for never")
        self.env = env if isinstance(env, VectorEnv) else VectorEnv.of(env)
        self.policy, self.model = policy, model
        self.goal_policy, self.reward, self.recorders = goal_policy, reward, tuple(recorders)
        self.max_steps, self.retries = max_steps, retries
        spec = self.env.env_spec
        self._input_names, self._goal_names = spec.observation_names, spec.goal_names
        self._output_names = tuple(dict.fromkeys(spec.output_observation_names + (() if reward is None else ("reward",))))
        self._active = np.zeros(self.env.num_envs, dtype=bool)
        self._queue = EpisodeQueue(self.env.num_envs, iter(()), retries)

    def start(self, seeds: Iterable[int | None], presets: Iterable[Mapping[str, Any] | None] | None = None) -> None:
        """Begins a queue of episodes, one for each seed; it may be endless.

        Args:
            seeds: One for each episode; None where nothing is to be repeated.
            presets: One for each episode (see `Env.reset`); None for random starts.

        Raises:
            RolloutError: When episodes still run, `presets` has another length than `seeds`, or no env works.
        """
        if self._active.any():
            raise RolloutError(
                "RolloutLoop.start",
                f"{int(self._active.sum())} episodes still running",
                "a finished loop",
                "make a new RolloutLoop",
            )
        if isinstance(seeds, Sequence) and isinstance(presets, Sequence) and len(seeds) != len(presets):
            raise RolloutError("RolloutLoop.start", f"{len(presets)} presets", f"one for each of the {len(seeds)} seeds")
        count = self.env.num_envs
        episodes = zip(seeds, repeat(None) if presets is None else presets)  # noqa: B905  (repeat has no end)
        self._queue = EpisodeQueue(count, episodes, self.retries)
        self._began = np.zeros(count, dtype=np.int64)
        self._actor = Actor(self.env.env_spec, self.policy, self.model, self.goal_policy)
        self._buffer = StepBuffer()
        self._is_checked = False
        for recorder in self.recorders:
            recorder.start(self.env)
        with self.env.tolerating():
            self._begin(np.ones(count, dtype=bool))

    @property
    def is_finished(self) -> bool:
        """Whether every episode of the queue has ended."""
        return not self._active.any()

    @property
    def lost(self) -> list[LostEpisode]:
        """The episodes of the queue that were given up so far, in the order in which that happened."""
        return self._queue.lost

    def step(self) -> list[Episode]:
        """Steps every env once and returns the episodes that ended now."""
        return [episode for _, episode in self.advance()]

    def advance(self) -> list[tuple[int, Episode]]:
        """Does `step`, and gives each episode with the index of its seed in the queue.

        Raises:
            RolloutError: When no episode is running, or no env works.
        """
        if self.is_finished:
            raise RolloutError("RolloutLoop.step", "no episode is running", "start(seeds) before it")
        with self.env.tolerating():
            ended, done = self._act()
            for recorder in self.recorders:
                recorder.step(self._running(self._active))
            finished = self._end(ended, done) if ended.any() else []
            free = ended | self._lose(self._active)
            if free.any():
                self._begin(free)
                self._buffer.drop_before(int(self._began[self._active].min()) if self._active.any() else self._buffer.time)
        return finished

    def cut(self) -> list[Episode]:
        """Ends the running episodes where they are, as truncated, and returns those that have a step; nothing waits any more.

        For whoever decides while an episode runs that it is over: a person.
        """
        with self.env.tolerating():
            has_steps = self._active & (self._began < self._buffer.time)
            finished = self._end(has_steps, np.zeros_like(has_steps)) if has_steps.any() else []
            self._lose(has_steps)
        self._active &= ~has_steps
        self.abandon()
        return [episode for _, episode in finished]

    def abandon(self) -> None:
        """Forgets the episodes that run, and those that wait; another `start` may follow."""
        for row in np.flatnonzero(self._active).tolist():
            for recorder in self.recorders:
                recorder.fail(row, self._queue.get(row).index, True)
        self._active[:] = False

    def close(self) -> None:
        """Closes the recorders; the env stays open, it belongs to who made it."""
        with contextlib.ExitStack() as stack:
            for recorder in self.recorders:
                stack.callback(recorder.close)

    def _begin(self, free: np.ndarray) -> None:
        """Gives the rows of `free` (B,) bool their next episodes, as far as there are any."""
        while free.any():
            begins = self._queue.fill(free)
            self._active = (self._active & ~free) | begins
            self._queue.check_hope()
            if not begins.any():
                return
            self._began[begins] = self._buffer.time
            rows = np.flatnonzero(begins).tolist()
            attempts = [self._queue.get(row) for row in rows]
            seeds, presets = [attempt.seed for attempt in attempts], [attempt.preset for attempt in attempts]
            obs, goal = self.env.reset(None if all(preset is None for preset in presets) else presets, seeds, begins)
            self._actor.reset(begins, seeds)
            if self.reward is not None:
                self.reward.reset_reward(begins)
            self._actor.observe(obs, goal)
            for row, attempt in zip(rows, attempts, strict=True):
                for recorder in self.recorders if row not in self.env.failures else ():
                    recorder.begin(row, attempt.index, attempt.seed)
            free = self._lose(begins)

    def _running(self, rows: np.ndarray) -> np.ndarray:
        """Returns those of `rows` (B,) bool whose env has not failed."""
        if not self.env.failures:
            return rows
        running = rows.copy()
        running[list(self.env.failures)] = False
        return running

    def _lose(self, rows: np.ndarray) -> np.ndarray:
        """Ends the attempts of those of `rows` (B,) bool whose env failed before they were over; returns these rows."""
        failed = rows & ~self._running(rows) & self._queue.is_running()
        for row in np.flatnonzero(failed).tolist():
            index = self._queue.get(row).index
            is_lost = self._queue.fail(row, self.env.failures[row])
            for recorder in self.recorders:
                recorder.fail(row, index, is_lost)
        return failed

    def _act(self) -> tuple[np.ndarray, np.ndarray]:
        """Acts, steps the envs and writes it all down; returns ended and done, `(B,)` bool."""
        actor, buffer = self._actor, self._buffer
        action = actor.act()
        flat_action = flatten(action)
        if not self._is_checked:
            self._check_first(flat_action)
        before = (actor.obs, actor.goal, flat_action)
        for batch, names in zip(before, (self._input_names, self._goal_names, self._action_names), strict=True):
            buffer.write({name: batch[name] for name in names})
        obs, goal, done = self.env.step(action, None if self._active.all() else self._active)
        actor.observe(obs, goal)
        if self.reward is not None:
            actor.obs["reward"] = self._get_reward(self.reward, before, done)
        buffer.write({name: actor.obs[name] for name in self._output_names})
        buffer.advance()
        ended = done | actor.is_terminated()
        if self.max_steps:
            ended |= buffer.time - self._began >= self.max_steps
        return self._running(ended & self._active), done

    def _check_first(self, action: Flat) -> None:
        """Checks the first goals and actions, and learns which names without a role the policy makes."""
        spec, lead = self.env.env_spec, self._active.shape
        spec.check(self._actor.goal, spec.goal_names, lead, "goal")
        spec.check(action, spec.action_names, lead, f"{type(self.policy).__name__}.get_action")
        specs = (spec, self.policy.env_spec)
        made = [name for name in action if any(name in one and not one.leaf(name).role for one in specs)]
        self._action_names = (*spec.action_names, *made)
        self._is_checked = True

    def _get_reward(self, reward: Reward, before: tuple[Flat, Flat, Flat], done: np.ndarray) -> np.ndarray:
        value = np.asarray(reward.get_reward(self.model, *before, self._actor.obs, self._actor.goal, done), np.float32)
        if value.shape != (len(done), 1):
            raise RolloutError(f"{type(reward).__name__}.get_reward", f"shape {value.shape}", f"shape ({len(done)}, 1)")
        return value

    def _end(self, ended: np.ndarray, done: np.ndarray) -> list[tuple[int, Episode]]:
        """Makes the episodes of the rows `ended` (B,) bool and tells the recorders."""
        if (ended & ~done).any():
            self.env.rest(ended & ~done)
        success = self.env.is_success(ended)
        finished = []
        for row in np.flatnonzero(self._running(ended)).tolist():
            attempt = self._queue.get(row)
            episode = self._make_episode(row, attempt.seed, bool(done[row]), bool(success[row]))
            finished.append((attempt.index, episode))
            self._queue.end(row)
            for recorder in self.recorders:
                recorder.end(row, attempt.index, episode)
        return finished

    def _make_episode(self, row: int, seed: int | None, done: bool, success: bool) -> Episode:
        columns = self._buffer.get(row, int(self._began[row]))
        outputs = {name: columns.pop(name) for name in self._output_names}
        length = len(next(iter(columns.values())))
        if "truncated" not in outputs:
            outputs["truncated"] = np.zeros((length, 1), dtype=bool)
        if not done:
            outputs["truncated"][-1] = True
        outputs["done"] = np.arange(1, length + 1) == length
        spec = self.env.env_spec
        onetime = {name: self._actor.obs[name][row].copy() for name in spec.param_names + (spec.final_names if done else ())}
        return Episode(nest(columns), nest(outputs), nest(onetime), success, seed)


def run_episodes(
    env: Env | VectorEnv,
    policy: Policy,
    model: Model | None,
    seeds: Sequence[int | None],
    *,
    presets: Sequence[Mapping[str, Any] | None] | None = None,
    goal_policy: Policy | None = None,
    reward: Reward | None = None,
    recorders: Sequence[Recorder] = (),
    max_steps: int = 0,
    retries: int = 2,
    progress: Progress | None = None,
) -> list[Episode]:
    """Runs one episode for each seed and returns them in the order of `seeds`, without those that were given up.

    Args:
        progress: Is told how many episodes are over and the share of successes among them. The rest as for `RolloutLoop`.
    """
    loop = RolloutLoop(
        env, policy, model, goal_policy=goal_policy, reward=reward, recorders=recorders, max_steps=max_steps, retries=retries
    )
    return [episode for _, episode in sorted(run_loop(loop, seeds, presets, progress), key=lambda pair: pair[0])]


def run_loop(
    loop: RolloutLoop,
    seeds: Sequence[int | None],
    presets: Sequence[Mapping[str, Any] | None] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Episode]]:
    """Works off a whole queue, yields `(index, episode)` as episodes end, in any order, and closes the recorders."""
    ended = successes = 0
    try:
        loop.start(seeds, presets)
        while not loop.is_finished:
            finished = loop.advance()
            ended += len(finished)
            successes += sum(bool(episode.success) for _, episode in finished)
            count = ended + len(loop.lost)
            if progress is not None and count > progress.done:
                progress.update(count, success=successes / count)
            yield from finished
    finally:
        loop.close()


def rollout(
    env: Env | VectorEnv,
    policy: Policy,
    model: Model | None = None,
    seed: int | None = None,
    *,
    preset: Mapping[str, Any] | None = None,
    goal_policy: Policy | None = None,
    reward: Reward | None = None,
    recorders: Sequence[Recorder] = (),
    max_steps: int = 0,
) -> Episode:
    """Runs one episode. Of a `VectorEnv` with several envs only the first one moves.

    Args:
        env: One env, or a vector of them.
        seed: Begins the env and the policy; None continues their random streams.
        preset: What to start from instead of a random start, by name. The rest as for `RolloutLoop`.
    """
    return run_episodes(
        env, policy, model, [seed], presets=None if preset is None else [preset], goal_policy=goal_policy, reward=reward,
        recorders=recorders, max_steps=max_steps,
    )[0]  # fmt: skip
