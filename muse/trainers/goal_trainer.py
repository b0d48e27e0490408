"""Learning from data, with rollouts along the way: to see how well the policy acts, or to collect more data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from muse.rollouts.evaluation import Evaluation, evaluate
from muse.rollouts.recorders import TrackerRecorder
from muse.trainers.collector import Collector
from muse.trainers.errors import TrainerError
from muse.trainers.schedule import Schedule
from muse.trainers.trainer import Trainer
from muse.utils.abstract import Argument, build
from muse.utils.errors import MuseError
from muse.utils.seeding import derive_seed
from muse.utils.stop_signals import StopRequested, StopSignals

_log = logging.getLogger(__name__)


def _env_arguments(env: str) -> list[Argument]:
    return [
        Argument(
            f"rollout_{env}_env_every_n_steps",
            type=int,
            default=0,
            help=f"evaluate in env_{env} this often; 0: never",
            unit="steps",
        ),
        Argument(f"rollout_{env}_env_n_per_step", type=int, default=1, help="episodes of each evaluation", unit="episodes"),
        Argument(
            f"step_{env}_env_every_n_steps", type=int, default=0, help=f"collect in env_{env} this often; 0: never", unit="steps"
        ),
        Argument(f"step_{env}_env_n_per_step", type=int, default=1, help="env steps each time, of every env", unit="steps"),
    ]


class GoalTrainer(Trainer):
    """Adds environments to `Trainer`.

    *Rollouts* evaluate: `rollout_train_env_n_per_step` seeded episodes, seeds a function of (seed, step). They write
    `env_train/success` with its 95% interval (`env_train/success_low`, `env_train/success_high`), `env_train/returns` and
    `env_train/length`, and choose `best_model.pt` by success, then returns; of equal ones the later. When both envs are rolled out,
    the holdout env chooses.

    *Steps* collect: finished episodes join the first train dataset (of the holdout env: the first holdout dataset), unless
    `no_data_saving`. The weights that learn act here, not their average. Episodes in progress begin anew at every scheduled
    save, for an env cannot be saved; the episodes collected are kept in `models/collected/`. A signal ends such a run without
    a save, and `restore` goes back to the last scheduled one: so the resumed run is the one that never stopped.

    A signal breaks an evaluation off; the resumed run does it again.
    """

    predefined_arguments = [
        *Trainer.predefined_arguments,
        *_env_arguments("train"),
        *_env_arguments("holdout"),
        Argument("block_env_on_first_n_steps", type=int, default=0, help="no rollouts before this many steps are done, and no env steps in them", unit="steps"),
        Argument("random_policy_on_first_n_steps", type=int, default=0, help="env steps use random_policy in the first steps", unit="steps"),
        Argument("random_policy", help="group of the policy for random_policy_on_first_n_steps"),
        Argument("trackers", help="groups of trackers by name, over the episodes of each evaluation: scalars env_train/<name>/<value>"),
        Argument("no_data_saving", type=bool, default=False, help="collected episodes do not join the datasets"),
        Argument(
            "write_average_episode_returns_every_n_env_steps", type=int, default=500, unit="steps",
            help="write means over the episodes collected since the last time this often; 0: never",
        ),
    ]  # fmt: skip

    def _set_up(self) -> None:
        self._envs = {"env_train": self.env_train, "env_holdout": self.env_holdout}
        self._policies = {"env_train": self.policy, "env_holdout": self.policy_holdout or self.policy}
        self._goal_policies = {"env_train": self.goal_policy, "env_holdout": self.goal_policy_holdout or self.goal_policy}
        # Rollouts come after a step, env steps belong to one.
        blocked = self.block_env_on_first_n_steps
        self._rollout_schedules = {name: Schedule(self._option("rollout", name, "every_n_steps"), blocked) for name in self._envs}
        self._step_schedules = {name: Schedule(self._option("step", name, "every_n_steps"), blocked + 1) for name in self._envs}
        for name in self._envs:
            self._check_env(name)
        self._collectors = {name: self._make_collector(name) for name, schedule in self._step_schedules.items() if schedule.every}
        self._is_evaluated = True
        TrackerRecorder.of(self.trackers, "trainer/trackers")  # a mistake in them shows now

    def _option(self, verb: str, env: str, what: str) -> int:
        return getattr(self, f"{verb}_{env.removeprefix('env_')}_env_{what}")

    @property
    def rollout_envs(self) -> tuple[str, ...]:
        """Names of the envs that are rolled out periodically."""
        return tuple(name for name in ("env_train", "env_holdout") if self._option("rollout", name, "every_n_steps"))

    def _check_env(self, name: str) -> None:
        verbs = [verb for verb in ("rollout", "step") if self._option(verb, name, "every_n_steps")]
        short = name.removeprefix("env_")
        for verb in verbs:
            where = f"trainer/{verb}_{short}_env_every_n_steps"
            if self._envs[name] is None:
                raise TrainerError(where, f"no '{name}'", "an environment", f"a group '{name}', or {where} 0")
            if self._policies[name] is None:
                raise TrainerError(where, "no policy", "one that acts", f"a group 'policy', or {where} 0")
            if self._option(verb, name, "n_per_step") < 1:
                raise TrainerError(where.replace("every_n_steps", "n_per_step"), "0", "at least 1")
        if len(verbs) == 2:
            raise TrainerError(
                f"trainer: env_{short}", "both rollouts and steps", "one of them, for they would reset each other's episodes",
                "rollouts in env_holdout, steps in env_train",
            )  # fmt: skip
        if "step" in verbs and not self.no_data_saving:
            datasets = self.datasets_train if name == "env_train" else self.datasets_holdout
            if not datasets or getattr(datasets[0], "frozen", False):
                got = f"dataset_{short} is frozen" if datasets else f"no dataset_{short}"
                raise TrainerError(
                    f"trainer/step_{short}_env_every_n_steps",
                    got,
                    "a dataset that may grow",
                    "frozen=False, or no_data_saving=True",
                )

    def _make_collector(self, name: str) -> Collector:
        env, policy = self._envs[name], self._policies[name]
        assert env is not None and policy is not None
        if self.random_policy_on_first_n_steps and self.random_policy is None:
            raise TrainerError("trainer/random_policy_on_first_n_steps", "no 'random_policy'", "its group", "cfgs.policy.random")
        random_policy = (
            build(self.random_policy, env.env_spec, where="trainer/random_policy")
            if self.random_policy_on_first_n_steps
            else None
        )
        datasets = () if self.no_data_saving else self.datasets_train if name == "env_train" else self.datasets_holdout
        return Collector(
            name,
            env,
            policy,
            random_policy=random_policy,
            goal_policy=self._goal_policies[name],
            reward=self.reward,
            dataset=datasets[0] if datasets else None,
            seed=self.seed,
            folder=self.models_dir / "collected",
        )

    # -- rollouts

    @property
    def is_settled(self) -> bool:
        """Whether everything that was due at the present step has been done."""
        return self._is_evaluated

    def _take_up(self, stop: StopSignals) -> None:
        if not self._is_evaluated:
            self._roll_out(stop)
            if self._is_evaluated:
                self._write_step()
                self._saved_step = -1

    def _roll_out(self, stop: StopSignals) -> None:
        due = [name for name, schedule in self._rollout_schedules.items() if schedule.is_due(self.step)]
        if not due:
            return
        self._is_evaluated = False
        with self.acting_weights():
            try:
                with stop.interruptible():
                    evaluations = {name: self._evaluate(name) for name in due}
            except StopRequested:
                return
        self._is_evaluated = True
        scalars: dict[str, float] = {}
        for name, (evaluation, tracked) in evaluations.items():
            scalars.update(_scalars_of(name, evaluation))
            scalars.update({f"{name}/{key}": value for key, value in tracked.items()})
            _log.debug("step %d of %d  %s  %s", self.step, self.max_steps, name, evaluation)
        self._unwritten.update(scalars)
        self._offer(scalars)
        last = evaluations[due[-1]][0]
        self._shown.update(success=last.success_rate, interval=(last.success_low, last.success_high))
        for collector in self._collectors.values():
            collector.restart(self.step)

    def _evaluate(self, name: str) -> tuple[Evaluation, dict[str, float]]:
        """Evaluates in an env; returns what came out and what the trackers say of the episodes."""
        recorder = TrackerRecorder.of(self.trackers, "trainer/trackers")
        env, policy = self._envs[name], self._policies[name]
        assert env is not None and policy is not None
        evaluation = evaluate(
            env,
            policy,
            self.model,
            episodes=self._option("rollout", name, "n_per_step"),
            seed=derive_seed(self.seed, name, "rollout", self.step),
            goal_policy=self._goal_policies[name],
            reward=self.reward,
            recorders=[recorder] if recorder.trackers else [],
        )
        return evaluation, recorder.values()

    # -- collecting

    def _step_envs(self, step: int, stop: StopSignals) -> None:
        for name, collector in self._collectors.items():
            if not self._step_schedules[name].is_due(step):
                continue
            try:
                collector.advance(
                    self.model, self._option("step", name, "n_per_step"), step <= self.random_policy_on_first_n_steps
                )
            except MuseError as error:
                if stop.requested:  # Ctrl-C reaches the processes of the envs too, and ends them.
                    raise StopRequested from error
                raise
            if self._is_report_due(collector, self._option("step", name, "n_per_step")):
                self._unwritten.update(collector.pop_means())

    def _is_report_due(self, collector: Collector, count: int) -> bool:
        every = self.write_average_episode_returns_every_n_env_steps
        return every > 0 and collector.env_steps // every > (collector.env_steps - count) // every

    # -- saving

    def _before_save(self) -> None:
        for collector in self._collectors.values():
            collector.save(self.step)
            collector.restart(self.step)

    def _save_after_stop(self) -> None:
        if not self._collectors:
            super()._save_after_stop()

    def state(self) -> dict[str, Any]:
        """See `Trainer.state`."""
        collectors = {name: collector.state() for name, collector in self._collectors.items()}
        return {**super().state(), "is_evaluated": self._is_evaluated, "collectors": collectors}

    def load_state(self, step: int, state: Mapping[str, Any]) -> None:
        """See `Trainer.load_state`."""
        for name, collector in self._collectors.items():
            collector.load_state(step, state["collectors"].get(name, collector.state()))
        super().load_state(step, state)
        self._is_evaluated = state["is_evaluated"]

    def restore(self) -> None:
        """See `Trainer.restore`."""
        super().restore()
        if self._saved_step < 0:
            for collector in self._collectors.values():
                collector.load_episodes(self.step)
                collector.restart(self.step)


def _scalars_of(name: str, evaluation: Evaluation) -> dict[str, float]:
    returns = evaluation.mean_return
    return {
        f"{name}/success": evaluation.success_rate,
        f"{name}/success_low": evaluation.success_low,
        f"{name}/success_high": evaluation.success_high,
        f"{name}/length": evaluation.mean_length,
        **({} if returns is None else {f"{name}/returns": returns}),
    }
