"""Behaviour cloning, with a goal or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from muse.models.bc.action_decoders import ActionDecoder
from muse.models.grouped_model import GroupedModel
from muse.models.model import Model, ModelError
from muse.models.network_model import get_input
from muse.models.normalizer import Normalizer
from muse.specs import EnvSpec, Leaf, LossResult
from muse.specs.leaf import GOAL_PREFIX
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, has


class BaseGCBC(GroupedModel):
    """Learns to act as the data does: states are normalised, encoded, joined with the goal, decoded to actions.

        BaseGCBC(d(
            state_names=["ego", "target"],
            action_decoder=d(cls=RNNActionDecoder, rnn_type="lstm", hidden_size=400, policy_size=0),
        ), env_spec)

    Encoders (`state_encoder_order`) are further sub-models; each reads what came before it, and its outputs are decoded too. A picture
    that an encoder reads, of a state or a goal, is left to it: the decoder gets the embedding alone.
    The goal is read from the inputs under `goal_names`, in training as in acting. With `use_last_state_goal` the training goal
    of a window is the state in its last row (hindsight), under `goal/<state>`; in acting the env or a goal policy gives it.
    """

    required_models = ("action_decoder",)

    predefined_arguments = Model.predefined_arguments + [
        Argument("state_names", type=list, element_type=str, help="observations to act upon; None: all but images"),
        Argument(
            "normalize_states", type=bool, default=False, help="normalise states, and goals with the statistics of their states"
        ),
        Argument(
            "normalize_mode",
            type=str,
            default="mean_std",
            choices=("mean_std", "min_max", "quantiles"),
            help="how states are normalised",
        ),
        Argument("use_goal", type=bool, default=False, help="act upon a goal too"),
        Argument(
            "use_last_state_goal", type=bool, default=False, help="in training, take the last state of the window for the goal"
        ),
        Argument(
            "goal_names",
            type=list,
            element_type=str,
            help="goals to act upon; None: those of the spec, or goal/<state> of every state",
        ),
        Argument("state_encoder_order", type=list, default=[], element_type=str, help="sub-models that encode states, in order"),
        Argument("action_decoder", help="group of the ActionDecoder"),
    ]

    state_names: tuple[str, ...]
    normalize_states: bool
    normalize_mode: str
    use_goal: bool
    use_last_state_goal: bool
    goal_names: tuple[str, ...]
    state_encoder_order: list[str]
    action_decoder: ActionDecoder

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.state_names = _state_names(params, self.env_spec)
        self.goal_names = _goal_names(params, self.env_spec)
        self._encoders = list(self.state_encoder_order)
        self._check_outputs()
        self._normalized_as = self._statistics_of_names() if self.normalize_states else {}
        shapes = {name: self.env_spec.leaf(name).shape for name in self._normalized_as.values()}
        self.normalizer = Normalizer(shapes, self.normalize_mode) if shapes else None
        self._read = self._names_read()

    def complete_sub_params(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Gives the decoder its inputs, unless its group names them: states, what the encoders add, goals."""
        if name != "action_decoder" or params.get("model_inputs") is not None:
            return params
        encoded = [output for encoder in self.state_encoder_order for output in self[encoder].output_names]
        states, goals = _state_names(self.params, self.env_spec), _goal_names(self.params, self.env_spec)
        pictures = self._encoded_pictures()
        names = [name for name in dict.fromkeys([*states, *encoded, *goals]) if name not in pictures]
        for goal in goals if self.params.get("goal_names") is None else ():
            if goal in names and self.env_spec.leaf(goal).is_image:
                raise ModelError(
                    "BaseGCBC.use_goal", f"'{goal}' is a picture that no encoder reads", "an encoder with it among its model_inputs",
                    "goal_names without it",
                )  # fmt: skip
        return {**params, "model_inputs": names}

    def _encoded_pictures(self) -> set[str]:
        read = {name for encoder in self.state_encoder_order for name in self[encoder].input_names}
        return {name for name in read if name in self.env_spec and self.env_spec.leaf(name).is_image}

    def _check_outputs(self) -> None:
        known = {**dict.fromkeys(self.state_names, "a state"), **dict.fromkeys(self.goal_names, "a goal")}
        known.update(dict.fromkeys(self.action_decoder.output_names, "an action"))
        for encoder in self.state_encoder_order:
            for name in self[encoder].output_names:
                if name in known:
                    got = f"it writes '{name}', which is {known[name]}"
                    raise ModelError(f"BaseGCBC: encoder '{encoder}'", got, "a model_output of its own")
                known[name] = f"what '{encoder}' writes"

    @classmethod
    def get_model_order(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the encoders, then the decoder."""
        return [*(params.get("state_encoder_order") or ()), "action_decoder"]

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns goals that the spec does not know, each shaped as its state; none where the loss makes them itself."""
        return [] if params.get("use_last_state_goal") else _new_goals(params, env_spec)

    @classmethod
    def get_inner_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the goals that the loss makes, and what the sub-models add."""
        goals = _new_goals(params, env_spec)
        return goals + super().get_inner_leaves(params, env_spec.extended(goals))

    def _statistics_of_names(self) -> dict[str, str]:
        named = {name: name for name in self.state_names}
        for goal in self.goal_names:
            state = goal.removeprefix(GOAL_PREFIX)
            named[goal] = state if state in self.state_names else goal
        encoded = self._encoded_pictures()
        return {
            name: source for name, source in named.items() if self.env_spec.leaf(name).dtype.kind in "fiu" and name not in encoded
        }

    def _names_read(self) -> tuple[str, ...]:
        made: set[str] = set()
        names: list[str] = []
        for model in self.models.values():
            names += [name for name in model.input_names if name not in made]
            made.update(model.output_names)
        return tuple(dict.fromkeys(names))

    @property
    def input_names(self) -> tuple[str, ...]:
        """States, what the encoders read, goals."""
        return self._read

    @property
    def output_names(self) -> tuple[str, ...]:
        """The actions."""
        return self.action_decoder.output_names

    @property
    def target_names(self) -> tuple[str, ...]:
        """The actions."""
        return self.action_decoder.target_names

    @property
    def batch_names(self) -> tuple[str, ...]:
        """What `loss` reads of a batch: without the goals, where it takes them from the window's last row."""
        makes_goals = self.use_goal and self.use_last_state_goal
        return tuple(name for name in super().batch_names if not (makes_goals and name in self.goal_names))

    @property
    def chunk(self) -> int:
        """The decoder's."""
        return self.action_decoder.chunk

    @property
    def noise_size(self) -> int:
        """The decoder's."""
        return self.action_decoder.noise_size

    def forward(self, inputs: Batch, memory: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Computes every action `(B, H, *shape)` from states and goals, with `memory` where a sub-model is recurrent."""
        features, memories = self._encode(inputs, memory or {})
        if "noise" in inputs:
            features["noise"] = inputs["noise"]
        results = self.action_decoder(features, (memory or {}).get("action_decoder"))
        if "memory" in results:
            memories["action_decoder"] = results["memory"]
        if memories:
            results["memory"] = memories
        return results

    def _encode(self, inputs: Batch, memory: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        features: dict[str, Tensor] = {}
        for name in self._read:
            value = get_input(inputs, name, "an environment or a goal policy that gives it" if name in self.goal_names else "")
            source = self._normalized_as.get(name)
            if source is not None and self.normalizer is not None:
                value = self.normalizer.normalize(source, value)
            features[name] = value
        memories: dict[str, Any] = {}
        for name in self._encoders:
            encoded = dict(getattr(self, name)(features, memory.get(name)))
            if "memory" in encoded:
                memories[name] = encoded.pop("memory")
            features.update(encoded)
        return features, memories

    def loss(self, inputs: Batch, outputs: Batch) -> LossResult:
        """Computes the decoder's loss of the actions in the batch; see `ActionDecoder.loss`."""
        inputs = self.preprocess(inputs)
        known: Batch = inputs
        if self.use_goal and self.use_last_state_goal:
            known = {name: get_input(inputs, name) for name in self._read if name not in self.goal_names}
            known = {**known, **{goal: _last_row(get_input(inputs, goal.removeprefix(GOAL_PREFIX))) for goal in self.goal_names}}
        features, _ = self._encode(known, {})
        features.update({name: inputs[name] for name in self.target_names if has(inputs, name)})
        result = self.action_decoder.loss(features, outputs)
        return replace(result, outputs=self.postprocess(inputs, dict(result.outputs)))


def _last_row(state: Tensor) -> Tensor:
    return state[:, -1:].expand_as(state)


def _state_names(params: Mapping[str, Any], env_spec: EnvSpec) -> tuple[str, ...]:
    names = params.get("state_names")
    if names is None:
        names = [name for name in env_spec.observation_names if not env_spec.leaf(name).is_image]
    if not names and not params.get("state_encoder_order"):
        raise ModelError("BaseGCBC.state_names", "none, and no encoder", "at least one observation to act upon")
    return tuple(names)


def _goal_names(params: Mapping[str, Any], env_spec: EnvSpec) -> tuple[str, ...]:
    if not params.get("use_goal"):
        if params.get("use_last_state_goal"):
            raise ModelError("BaseGCBC.use_last_state_goal", "true without use_goal", "use_goal=True too")
        return ()
    names, states = params.get("goal_names"), _state_names(params, env_spec)
    if names is None:
        names = [GOAL_PREFIX + name for name in states] if params.get("use_last_state_goal") else env_spec.goal_names
    if not names:
        raise ModelError("BaseGCBC.use_goal", "true, and the spec has no goals", "goal_names, or use_last_state_goal=True")
    if params.get("use_last_state_goal"):
        for name in names:
            if not name.startswith(GOAL_PREFIX) or name.removeprefix(GOAL_PREFIX) not in states:
                raise ModelError(
                    "BaseGCBC.goal_names", f"'{name}' with use_last_state_goal", "'goal/<name>' of a state: " + ", ".join(states)
                )
    return tuple(names)


def _new_goals(params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
    return [_goal_leaf(name, env_spec) for name in _goal_names(params, env_spec) if name not in env_spec]


def _goal_leaf(name: str, env_spec: EnvSpec) -> Leaf:
    if not name.startswith(GOAL_PREFIX):
        raise ModelError(
            "BaseGCBC.goal_names", f"'{name}', which the spec does not know", "a name of the spec, or 'goal/<name>' of one"
        )
    return replace(env_spec.leaf(name.removeprefix(GOAL_PREFIX)), name=name, role="goal")
