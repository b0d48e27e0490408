"""Learning from data, to the bit the same whether it is interrupted or not.

    trainer = Trainer(params, model=model, datasets_train=[dataset], writer=make_writer(folder), folder=folder)
    trainer.restore()           # to go on with the run in the folder; without it a new one begins
    trainer.run()

Everything random is a function of (seed, step), and `models/train_state.pt` holds the rest. A run that was killed loses the
steps since its last save and repeats them bit for bit on a CPU. SIGINT and SIGTERM end a run after the step, saved, with exit
status 130 and 143.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from muse.datasets.augmentation import make_augmentations
from muse.datasets.dataset import Dataset
from muse.models.model import Model
from muse.trainers.best_model import BestModel, choose_best_names
from muse.trainers.checkpoint import CheckpointError, load_weights, read_values, restore_model, save_checkpoint, write_values
from muse.trainers.ema import WeightAverage
from muse.trainers.errors import TrainerError
from muse.trainers.learner import HoldoutLoss, Learner, to_floats
from muse.trainers.optimizers import SingleOptimizer
from muse.trainers.schedule import Schedule, schedules_for
from muse.trainers.writers.writer import Writer
from muse.utils.abstract import Argument, BaseClass, build
from muse.utils.errors import OptionError
from muse.utils.progress import Progress
from muse.utils.stop_signals import StopRequested, StopSignals
from muse.utils.torch_utils import count_parameters

if TYPE_CHECKING:
    from muse.envs.vector_env import VectorEnv
    from muse.policies.policy import Policy
    from muse.rewards.reward import Reward

_log = logging.getLogger(__name__)

STATE_FILE, MODEL_FILE, BEST_FILE, NUMBERED_FILE = "train_state.pt", "model.pt", "best_model.pt", "chkpt_{:010d}.pt"


class Trainer(BaseClass):
    """Learns from datasets, without any environment.

    Step `k` is the `k`-th, from 1 on; what is due every `n` steps is due at the multiples of `n`. A step learns from one batch
    of every dataset that is due, then computes holdout losses, then saves. Scalars: `train/loss` and the loss's terms,
    `train/grad_norm`, `train/learning_rate_pg_0`, `holdout/loss` and terms; those of further datasets under `train_1/`,
    `holdout_1/` and so on.

    `models/` gets `model.pt` at every save, `chkpt_<step>.pt` where asked for, `best_model.pt` by the lowest holdout loss, and
    `train_state.pt`, which is all that `restore` reads. With `ema_decay` the averaged weights are the ones that are evaluated
    and written to the model files.

    Args:
        params: The options.
        model: What learns. It gets its statistics here, so that it can be used before `run`.
        datasets_train, datasets_holdout: To learn from, and not to learn from.
        policy, goal_policy, env_train, env_holdout, policy_holdout, goal_policy_holdout, reward: For `GoalTrainer`; not used here.
        writer: Told of every scalar; stays open.
        folder: The experiment's folder.
        seed: Root of every random stream.
        fingerprint: What the environment was, plain values; written into the model files.

    Raises:
        TrainerError: For a missing part.
        OptionError: For options that contradict the parts.
    """

    predefined_arguments = [
        Argument("max_steps", type=int, required=True, help="steps of the whole run", unit="steps"),
        Argument("train_every_n_steps", type=int, default=1, help="learn from each train dataset this often", unit="steps"),
        Argument("train_every_n_steps_per_dataset", type=list, default=[], element_type=int, help="the same, a number for each dataset"),
        Argument("holdout_every_n_steps", type=int, default=0, help="compute the holdout loss this often; 0: never", unit="steps"),
        Argument("holdout_max_batches", type=int, default=4, help="batches of the holdout loss, always the same; 0: all windows"),
        Argument("block_train_on_first_n_steps", type=int, default=0, help="no learning in the first steps", unit="steps"),
        Argument("log_every_n_steps", type=int, default=1000, help="write a line to the log this often; 0: never", unit="steps"),
        Argument(
            "write_to_tensorboard_every_n_train_steps", type=int, default=20, help="write train scalars this often, in every writer", unit="steps"
        ),
        Argument("save_every_n_steps", type=int, default=1000, help="save this often; 0: only at the end", unit="steps"),
        Argument("save_checkpoint_every_n_steps", type=int, default=0, help="keep a numbered checkpoint this often; 0: never", unit="steps"),
        Argument("checkpoint_model_file", type=str, help="file in models/ whose weights and step `restore` goes back to, with a fresh optimiser"),
        Argument("pretrained_model_file", type=str, help="path of a checkpoint to begin from, statistics included"),
        Argument("track_best_name", type=str, help="scalar that makes best_model.pt; none: success, then returns, or else the holdout loss"),
        Argument("load_statistics_initial", type=bool, default=True, help="give the model the statistics of the first train dataset"),
        Argument("optimizer", help="group of an Optimizer; none: SingleOptimizer with its defaults"),
        Argument("autocast", type=str, choices=("bf16",), help="bf16: compute the loss in bfloat16 where that is safe; none: float32"),
        Argument("prefetch_batches", type=int, default=0, help="batches a thread gathers ahead from each frozen dataset; 0: none"),
        Argument("augmentations", help="groups of augmentations by name, or a list: change the batches that are learned from, in order"),
        Argument("ema_decay", type=float, default=0.0, help="decay of a moving average of the weights, which is then what acts; 0: off"),
    ]  # fmt: skip

    def __init__(
        self,
        params: Mapping[str, Any],
        *,
        model: Model,
        datasets_train: Sequence[Dataset],
        datasets_holdout: Sequence[Dataset] = (),
        policy: Policy | None = None,
        goal_policy: Policy | None = None,
        env_train: VectorEnv | None = None,
        env_holdout: VectorEnv | None = None,
        policy_holdout: Policy | None = None,
        goal_policy_holdout: Policy | None = None,
        reward: Reward | None = None,
        writer: Writer,
        folder: str | os.PathLike[str],
        seed: int = 0,
        fingerprint: Mapping[str, Any] | None = None,
    ) -> None:
        self.read_predefined_params(params)
        self._check_options()
        if model is None:
            raise TrainerError("trainer", "no model", "one to train", "a group 'model' in the recipe")
        if not datasets_train:
            raise TrainerError("trainer", "no train dataset", "at least one", "a group 'dataset_train' in the recipe")
        self.model, self.writer, self.folder, self.seed = model, writer, Path(folder), seed
        self.fingerprint = dict(fingerprint or {})
        self.datasets_train, self.datasets_holdout = tuple(datasets_train), tuple(datasets_holdout)
        self.policy, self.goal_policy, self.reward = policy, goal_policy, reward
        self.env_train, self.env_holdout = env_train, env_holdout
        self.policy_holdout, self.goal_policy_holdout = policy_holdout, goal_policy_holdout
        self.step = 0
        self._load_first_weights()
        optimizer = build(self.optimizer or {"cls": SingleOptimizer}, model, where="trainer/optimizer")
        augmentations = make_augmentations(self.augmentations, self.datasets_train[0], "trainer/augmentations")
        self.learner = Learner(model, optimizer, self.datasets_train, seed, self.autocast, self.prefetch_batches, augmentations)
        self.average = WeightAverage(model, self.ema_decay) if self.ema_decay else None
        self.holdout_losses = [
            HoldoutLoss(self.learner, dataset, self.holdout_max_batches, f"holdout/{i}")
            for i, dataset in enumerate(self.datasets_holdout)
        ]
        self._make_schedules()
        has_holdout = bool(self.datasets_holdout) and self.holdout_every_n_steps > 0
        self.best = BestModel(choose_best_names(self.track_best_name, self.rollout_envs, has_holdout))
        self._losses: dict[int, torch.Tensor] = {}
        self._shown: dict[str, Any] = {}
        #: Scalars of the present step. They are written together when the step is over, so that a step is written whole or not at all.
        self._unwritten: dict[str, float] = {}
        self._saved_step = -1
        self._set_up()

    def _set_up(self) -> None:
        """Makes what a subclass adds."""

    @property
    def rollout_envs(self) -> tuple[str, ...]:
        """Names of the envs that are rolled out periodically."""
        return ()

    @property
    def models_dir(self) -> Path:
        """Where checkpoints are."""
        return self.folder / "models"

    def _check_options(self) -> None:
        for name, argument in self.get_predefined_arguments().items():
            value = getattr(self, name)
            if argument.type in (int, float) and value is not None and value < 0:
                raise OptionError(f"trainer: '{name}'", str(value), "0 or more")
        if self.ema_decay >= 1:
            raise OptionError("trainer: 'ema_decay'", str(self.ema_decay), "less than 1")

    def _load_first_weights(self) -> None:
        if self.pretrained_model_file is not None:
            restore_model(self.model, self.pretrained_model_file)
        elif self.load_statistics_initial and self.model.statistics_names:
            self.model.load_statistics(self.datasets_train[0].get_statistics(self.model.statistics_names))

    def _make_schedules(self) -> None:
        first = self.block_train_on_first_n_steps + 1
        count = len(self.datasets_train)
        self._train_schedules = schedules_for(
            "train_every_n_steps", self.train_every_n_steps, self.train_every_n_steps_per_dataset, count, first
        )
        self._train_steps = [0] * count
        self._holdout_schedule = Schedule(self.holdout_every_n_steps)
        self._save_schedule = Schedule(self.save_every_n_steps)
        self._numbered_schedule = Schedule(self.save_checkpoint_every_n_steps)
        self._log_schedule = Schedule(self.log_every_n_steps)

    # -- the loop

    def run(self) -> None:
        """Takes the steps that are left, and saves.

        Raises:
            SystemExit: With status 130 or 143, after a signal and the save that follows it.
            TrainerError: When the loss is not finite. The last save stays as it was.
        """
        self.writer.truncate(self.step if self.is_settled else self.step - 1)
        if self.step >= self.max_steps:
            _log.warning("the run has its %d steps already; a larger trainer/max_steps goes on", self.step)
        description = f"{count_parameters(self.model):,} parameters"
        with (
            contextlib.closing(self.learner),
            StopSignals() as stop,
            Progress("train", self.max_steps, description=description, initial=self.step) as bar,
        ):
            with contextlib.suppress(StopRequested):
                self._take_up(stop)
                while self.step < self.max_steps and not stop.requested:
                    self._advance(stop)
                    if self._shown:
                        bar.update(self.step, **self._shown)
                        self._shown = {}
            if self.step >= self.max_steps and self.is_settled:
                bar.update(self.step)
                self._save()
                _log.info("waited for data  %.1f%% of the time in which it learnt", 100 * self.learner.waiting_share)
                return
            self._save_after_stop()
        assert stop.requested is not None
        _log.warning(
            "stopped by %s after step %d; saved as of step %d: --continue goes on",
            stop.requested.name,
            self.step,
            max(self._saved_step, 0),
        )
        raise SystemExit(stop.exit_status)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was due at the present step has been done."""
        return True

    def _take_up(self, stop: StopSignals) -> None:
        """Does what was due at the present step and had to be left."""

    def _advance(self, stop: StopSignals) -> None:
        step = self.step + 1
        self._step_envs(step, stop)
        self._train(step)
        self.step = step
        self._hold_out()
        self._roll_out(stop)
        if self.is_settled:
            self._write_step()
        # A run that is killed in between goes on from the state, after which no numbered file may be missing.
        if self._numbered_schedule.is_due(step):
            self._check_losses()
            self._save_model(NUMBERED_FILE.format(step))
        if self._save_schedule.is_due(step):
            self._save()
        if self._log_schedule.is_due(step):
            self._log_step()

    def _step_envs(self, step: int, stop: StopSignals) -> None:
        """Collects data before learning."""

    def _roll_out(self, stop: StopSignals) -> None:
        """Evaluates after learning."""

    def _write_step(self) -> None:
        for name, value in self._unwritten.items():
            self.writer.scalar(name, value, self.step)
        self._unwritten = {}

    def _train(self, step: int) -> None:
        every = self.write_to_tensorboard_every_n_train_steps
        for i, schedule in enumerate(self._train_schedules):
            if not schedule.is_due(step):
                continue
            self._train_steps[i] += 1
            writes = every > 0 and self._train_steps[i] % every == 0
            rates = self.learner.optimizer.learning_rates if writes else []
            result, norm = self.learner.step(i, step, want_norm=writes)
            self._losses[i] = result.loss.detach()
            if self.average is not None:
                self.average.update()
            if writes:
                values = {"loss": result.loss, **result.terms}
                values.update({} if norm is None else {"grad_norm": norm})
                self._note_train(_prefixed("train", i), values, rates, step)

    def _note_train(self, prefix: str, values: Mapping[str, torch.Tensor], rates: Sequence[float], step: int) -> None:
        floats = to_floats(values)
        self._unwritten.update({f"{prefix}/{name}": value for name, value in floats.items()})
        self._unwritten.update({f"{prefix}/learning_rate_pg_{k}": rate for k, rate in enumerate(rates)})
        if prefix == "train":
            self._shown["loss"] = floats["loss"]
        _check_finite(floats["loss"], f"{prefix}/loss", step)

    def _hold_out(self) -> None:
        if not self._holdout_schedule.is_due(self.step):
            return
        scalars = {}
        with self.acting_weights():
            for i, holdout in enumerate(self.holdout_losses):
                scalars.update({f"{_prefixed('holdout', i)}/{name}": value for name, value in holdout.compute().items()})
        self._unwritten.update(scalars)
        self._offer(scalars)

    def _offer(self, scalars: Mapping[str, float]) -> None:
        """Writes the best model when `scalars` say that this is it."""
        if self.best.take(scalars, self.step):
            self._save_model(BEST_FILE, dict(zip(self.best.names, self.best.values or (), strict=True)))

    def _log_step(self) -> None:
        losses = to_floats({f"{_prefixed('train', i)}/loss": loss for i, loss in self._losses.items()})
        text = "  ".join(f"{name} {value:.6g}" for name, value in losses.items())
        _log.debug("step %d of %d  %s", self.step, self.max_steps, text)

    def acting_weights(self) -> contextlib.AbstractContextManager[None]:
        """Puts the weights into the model that are evaluated and written: the averaged ones where there are any."""
        return contextlib.nullcontext() if self.average is None else self.average.applied()

    # -- saving

    def _save(self) -> None:
        """Saves everything; the state comes last, so that nothing it builds on is missing."""
        if self._saved_step == self.step:
            return
        self._check_losses()
        self.writer.flush()
        self._before_save()
        self._save_model(MODEL_FILE)
        write_values(self.models_dir / STATE_FILE, "train_state", self.step, self.state())
        self._saved_step = self.step

    def _before_save(self) -> None:
        """Saves what `state` builds on."""

    def _save_after_stop(self) -> None:
        self._save()

    def _save_model(self, name: str, best: Mapping[str, float] | None = None) -> None:
        extra = {"fingerprint": self.fingerprint, **({"best": dict(best)} if best else {})}
        with self.acting_weights():
            save_checkpoint(self.models_dir / name, self.model, self.model.env_spec, self.step, extra)

    def _check_losses(self) -> None:
        for name, value in to_floats({_prefixed("train", i): loss for i, loss in self._losses.items()}).items():
            _check_finite(value, f"{name}/loss", self.step)

    def state(self) -> dict[str, Any]:
        """Returns all that `load_state` goes on from, to the bit: plain values and tensors."""
        return {
            "seed": self.seed,
            "gone_back_to": self.checkpoint_model_file,
            "weights": self.model.state_dict(),
            "learner": self.learner.state(),
            "average": None if self.average is None else self.average.state(),
            "train_steps": list(self._train_steps),
            "unwritten": dict(self._unwritten),
            "best": {"names": list(self.best.names), "values": self.best.values, "step": self.best.step},
        }

    def load_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Goes to a state that `state` returned after `step` steps.

        Raises:
            TrainerError: When it is the state of a run with another seed, other datasets or another optimiser.
        """
        where = str(self.models_dir / STATE_FILE)
        if state["seed"] != self.seed:
            raise TrainerError(
                where, f"the state of a run with seed {state['seed']}", f"seed {self.seed}", f"--seed {state['seed']}"
            )
        if len(state["train_steps"]) != len(self.datasets_train):
            raise TrainerError(
                where, f"a run with {len(state['train_steps'])} train datasets", f"{len(self.datasets_train)}, as now"
            )
        load_weights(self.model, state["weights"], where)
        try:
            self.learner.load_state(state["learner"])
        except (ValueError, KeyError, TypeError) as error:
            raise TrainerError(
                where, f"the state of another optimiser ({error})", "that of the recipe's", "the optimiser of the run"
            ) from error
        self._restore_average(state["average"])
        self._train_steps = list(state["train_steps"])
        self._unwritten = dict(state["unwritten"])
        if tuple(state["best"]["names"]) == self.best.names:
            self.best.values, self.best.step = state["best"]["values"], state["best"]["step"]
        self.step = self._saved_step = step

    def _restore_average(self, state: Mapping[str, Any] | None) -> None:
        if self.average is not None and state is not None:
            self.average.load_state(state)
        elif self.average is not None:
            _log.warning("the run had no average of the weights; it begins now")
            self.average.restart()

    def restore(self) -> None:
        """Goes on with the run in the folder; where none was saved, a new one begins.

        Raises:
            CheckpointError: When the state is damaged, or its weights do not fit the model.
            TrainerError: When the state belongs to another run.
        """
        path = self.models_dir / STATE_FILE
        if self.checkpoint_model_file is not None and not self._has_gone_back(path):
            self._go_back(self.models_dir / self.checkpoint_model_file)
        elif path.is_file():
            values = read_values(path, "train_state")
            try:
                self.load_state(values["step"], values)
            except KeyError as error:
                raise CheckpointError(str(path), f"no {error} inside", "a state that this class of trainer wrote") from error
            _log.info("going on after step %d", self.step)
        else:
            _log.info("no complete checkpoint in %s; beginning at step 0", self.models_dir)

    def _has_gone_back(self, path: Path) -> bool:
        """Whether the run was saved after it went back to `checkpoint_model_file`: the option stays in the stored command line."""
        if not path.is_file():
            return False
        return read_values(path, "train_state").get("gone_back_to") == self.checkpoint_model_file

    def _go_back(self, path: Path) -> None:
        self.step = restore_model(self.model, path).step
        if self.average is not None:
            self.average.restart()
        self._train_steps = [sum(schedule.is_due(step) for step in range(1, self.step + 1)) for schedule in self._train_schedules]
        _log.warning("going back to %s, step %d, with a fresh optimiser and order of the data", path, self.step)


def _prefixed(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def _check_finite(value: float, name: str, step: int) -> None:
    if not math.isfinite(value):
        raise TrainerError(
            f"step {step}: {name}", str(value), "a finite number",
            "a lower learning rate, %trainer %%optimizer --max_grad_norm 1.0, or data without wild values",
        )  # fmt: skip
