import logging

import numpy as np
import pytest
import torch
from attrdict import AttrDict

from muse.utils.torch_utils import (
    DeviceError,
    count_parameters,
    masked_mean,
    padding_mask_of,
    resolve_device,
    to_tensor,
    without_onednn,
)


@pytest.fixture(autouse=True)
def _forgotten_devices():
    resolve_device.cache_clear()
    yield
    resolve_device.cache_clear()


def test_an_absent_accelerator_is_replaced_with_one_line(caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert resolve_device("cuda") == torch.device("cpu")
        assert resolve_device("cuda") == torch.device("cpu")
    assert caplog.messages == ["device 'cuda' is not available here; using the CPU instead"]


def test_the_cpu_needs_no_words(caplog):
    assert resolve_device("cpu") == torch.device("cpu") and not caplog.messages


def test_the_number_of_an_accelerator_is_checked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError) as error:
        resolve_device("cuda:2")
    assert str(error.value) == "device: 'cuda:2'; expected one of the 2 here: 'cuda:0' to 'cuda:1'"


def test_a_device_that_is_none_is_told():
    with pytest.raises(DeviceError) as error:
        resolve_device("gpu")
    assert str(error.value) == "device: 'gpu'; expected 'cpu', 'cuda', 'cuda:0' or 'mps'"


def test_padding_does_not_count():
    values = torch.tensor([[1.0, 2.0, 100.0], [3.0, 200.0, 300.0]])
    mask = torch.tensor([[False, False, True], [False, True, True]])
    assert masked_mean(values, mask).item() == pytest.approx(2.0)
    assert masked_mean(values, None).item() == pytest.approx(101.0)
    assert masked_mean(values, torch.ones_like(mask)).item() == 0.0


def test_onednn_is_off_inside_and_as_before_after():
    before = torch.backends.mkldnn.enabled
    with pytest.raises(KeyError), without_onednn():
        assert not torch.backends.mkldnn.enabled
        raise KeyError
    assert torch.backends.mkldnn.enabled == before


def test_only_trainable_values_are_counted():
    module = torch.nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    assert count_parameters(module) == 6


def test_tensors_share_what_they_can_and_copy_what_they_must():
    array = np.arange(6.0)
    assert np.shares_memory(to_tensor(array).numpy(), array)
    frozen = array.copy()
    frozen.flags.writeable = False
    assert to_tensor(frozen).tolist() == to_tensor(array[::-1])[torch.arange(5, -1, -1)].tolist() == array.tolist()
    tensor = torch.ones(2)
    assert to_tensor(tensor) is tensor


def test_the_mask_is_a_tensor_or_nothing():
    assert padding_mask_of({}) is None
    assert padding_mask_of(AttrDict(padding_mask=np.array([[True, False]]))).tolist() == [[True, False]]
