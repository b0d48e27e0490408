"""Metrics against plain loops over rows."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from muse.metrics.elementwise_metric import ElementwiseMetric
from muse.metrics.extract_metric import ExtractMetric, ReturnMetric, SuccessMetric
from muse.metrics.groups import REDUCTIONS, group_reduce
from muse.metrics.metric import Metric, MetricError

LOOP = {"mean": lambda v: sum(v) / len(v), "sum": sum, "max": max, "min": min}


def batch(seed=0, rows=4, horizon=5):
    rng = np.random.default_rng(seed)
    inputs = {"action": rng.normal(size=(rows, horizon, 3)).astype(np.float32), "task": rng.integers(-1, 2, (rows, horizon, 1))}
    mask = np.zeros((rows, horizon), dtype=bool)
    mask[1, 3:], mask[2] = True, True
    outputs = {"padding_mask": mask, "reward": rng.normal(size=(rows, horizon, 1)).astype(np.float32)}
    return inputs, outputs, {"action": rng.normal(size=(rows, horizon, 3)).astype(np.float32)}


@given(
    values=hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-100, 100)),
    how=st.sampled_from(sorted(REDUCTIONS)),
    data=st.data(),
)
def test_groups_against_a_loop(values, how, data):
    groups = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=len(values), max_size=len(values))))
    ids, reduced, counts = group_reduce(torch.from_numpy(values), torch.from_numpy(groups), how)
    by_group: dict[int, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        by_group.setdefault(int(group), []).append(float(value))
    assert ids.tolist() == sorted(by_group)
    assert counts.tolist() == [len(by_group[g]) for g in sorted(by_group)]
    np.testing.assert_allclose(reduced, [LOOP[how](by_group[g]) for g in sorted(by_group)], atol=1e-9)


@pytest.mark.parametrize("reduce", sorted(REDUCTIONS))
@pytest.mark.parametrize("error", ["l1", "l2"])
def test_an_error_against_a_loop(error, reduce):
    inputs, outputs, made = batch()
    values, by_task = [], {}
    for row in range(4):
        for t in range(5):
            if outputs["padding_mask"][row, t]:
                continue
            difference = made["action"][row, t] - inputs["action"][row, t]
            value = float(np.mean(np.abs(difference) if error == "l1" else difference**2))
            values.append(value)
            by_task.setdefault(int(inputs["task"][row, t, 0]), []).append(value)
    result = ElementwiseMetric(d(names=["action"], error=error, reduce=reduce, group_by="task"))(inputs, outputs, made)
    expected = {f"action_{error}": LOOP[reduce](values)}
    for task, group in by_task.items():
        expected[f"action_{error}/group_{task}"] = LOOP[reduce](group)
        expected[f"action_{error}/count_{task}"] = len(group)
    expected[f"action_{error}/worst"] = max(LOOP[reduce](group) for group in by_task.values())
    assert set(result) == set(expected)
    for name, value in expected.items():
        assert result[name].item() == pytest.approx(value, rel=1e-5), name


def test_groups_may_be_a_function_and_the_worst_the_lowest():
    inputs, outputs, _ = batch()
    metric = ExtractMetric(
        d(key="reward", group_by=lambda inputs, outputs, made: np.array([7, 7, 8, 8]), lower_is_better=False, name="r")
    )
    result = metric(inputs, outputs)
    keep = ~outputs["padding_mask"]
    rewards = outputs["reward"][..., 0]
    seven, eight = rewards[:2][keep[:2]].mean(), rewards[2:][keep[2:]].mean()
    assert result["r/group_7"].item() == pytest.approx(seven, rel=1e-5)
    assert result["r/worst"].item() == pytest.approx(min(seven, eight), rel=1e-5)
    assert result["r/count_8"].item() == 5


def test_tensors_and_arrays_give_the_same_and_gradients_flow():
    inputs, outputs, made = batch()
    metric = ElementwiseMetric(d(names=["action"], group_by="task"))
    action = torch.from_numpy(made["action"]).requires_grad_()
    tensors = [{name: torch.from_numpy(value) for name, value in part.items()} for part in (inputs, outputs)]
    result = metric(*tensors, {"action": action})
    for name, value in metric(inputs, outputs, made).items():
        assert value.item() == result[name].item()
    result["action_l2/worst"].backward()
    assert action.grad is not None and action.grad.abs().sum() > 0
    assert not action.grad[torch.from_numpy(outputs["padding_mask"])].any()


def test_several_names_have_a_mean_too():
    inputs, outputs, made = batch()
    inputs["grip"], made["grip"] = np.zeros((4, 5, 1), np.int64), np.ones((4, 5, 1), np.float32) * 2
    result = ElementwiseMetric(d(names=["action", "grip"], error="l1"))(inputs, outputs, made)
    assert set(result) == {"action_l1", "grip_l1", "l1"}
    assert result["grip_l1"].item() == 2
    assert result["l1"].item() == pytest.approx((result["action_l1"].item() + 2) / 2)


def test_values_are_extracted():
    inputs, outputs, made = batch()
    keep = ~outputs["padding_mask"]
    for elements, numpy in (("mean", np.mean), ("sum", np.sum), ("max", np.max), ("min", np.min), ("norm", np.linalg.norm)):
        result = ExtractMetric(d(key="action", source="model_outputs", elements=elements))(inputs, outputs, made)
        assert result["action"].item() == pytest.approx(numpy(made["action"], axis=-1)[keep].mean(), rel=1e-5)
    both = [ExtractMetric(d(key="action", source=source))(inputs, outputs, made)["action"].item() for source in ("any", "inputs")]
    assert both[0] == both[1]


def test_returns_are_summed_without_padding():
    inputs, outputs, _ = batch()
    rewards, mask = outputs["reward"][..., 0], outputs["padding_mask"]
    expected = [sum(0.9**t * rewards[row, t] for t in range(5) if not mask[row, t]) for row in range(4)]
    values = ReturnMetric(d(gamma=0.9)).compute(inputs, outputs, {})["return"]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    # A window of padding alone does not count.
    result = ReturnMetric(d(gamma=0.9))(inputs, outputs)
    assert result["return"].item() == pytest.approx(np.mean([expected[0], expected[1], expected[3]]), rel=1e-5)


def test_success_is_the_last_row_that_is_not_padding():
    success = np.array([[0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0]], dtype=bool)
    _, outputs, _ = batch()
    values = SuccessMetric().compute({}, {**outputs, "success": success[..., None]}, {})["success"]
    assert values.tolist()[:2] == [1, 1] and values.tolist()[3] == 0
    assert SuccessMetric()({}, {**outputs, "success": success[..., None]})["success"].item() == pytest.approx(2 / 3)


def test_a_batch_of_padding_has_no_values():
    inputs, outputs, made = batch()
    outputs["padding_mask"][:] = True
    assert ElementwiseMetric(d(names=["action"], group_by="task"))(inputs, outputs, made) == {}


def test_nothing_is_written_to():
    parts = batch()
    copies = [{name: value.copy() for name, value in part.items()} for part in parts]
    for metric in (ElementwiseMetric(d(names=["action"], group_by="task")), ReturnMetric(), ExtractMetric(d(key="reward"))):
        metric(*parts)
    for part, copy in zip(parts, copies, strict=True):
        for name in copy:
            np.testing.assert_array_equal(part[name], copy[name])


class Odd(Metric):
    """Values of a shape that fits nothing."""

    def compute(self, inputs, outputs, model_outputs):
        return {"odd": torch.zeros(2, 3)}


MISTAKES = {
    "ElementwiseMetric: option 'names': empty; expected at least one output of the model": lambda *parts: ElementwiseMetric(
        d(names=[])
    ),
    "ElementwiseMetric: the model's outputs: 'acton': missing (did you mean 'action'?); expected one of action": (
        lambda *parts: ElementwiseMetric(d(names=["acton"]))(*parts)
    ),
    "ElementwiseMetric: group_by: 'taks': missing (did you mean 'task'?); expected one of action, task, padding_mask, reward": (
        lambda *parts: ElementwiseMetric(d(names=["action"], group_by="taks"))(*parts)
    ),
    "ElementwiseMetric: group_by: torch.float32 of shape (4, 5); expected whole numbers of shape (B,), (B, H) or (B, H, 1)": (
        lambda *parts: ElementwiseMetric(d(names=["action"], group_by="reward"))(*parts)
    ),
    "Metric: group_by: groups of shape (3,); expected one for each of the values (4, 5)\n"
    "  try: a group for each window, or for each of its rows": (
        lambda *parts: ElementwiseMetric(d(names=["action"], group_by=lambda *_: np.zeros(3, int)))(*parts)
    ),
    "Odd: 'padding_mask': shape (4, 5); expected one for each of the values (2, 3)": lambda *parts: Odd()(*parts),
    "ReturnMetric: option 'gamma': 2.0; expected a number from 0 to 1": lambda *parts: ReturnMetric(d(gamma=2)),
    "ReturnMetric: 'action': shape (4, 5, 3); expected one number in each row, (B, H, 1)": (
        lambda inputs, outputs, made: ReturnMetric(d(key="action"))(inputs, {"action": inputs["action"]})
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_told(message):
    with pytest.raises(MetricError) as error:
        MISTAKES[message](*batch())
    assert str(error.value) == message
