"""What a call says that is refused."""

import pytest

from muse.datasets import DataError
from muse.utils.errors import MuseError


def message(call, kind=DataError):
    """Returns the message; fails where `call` raises nothing, or another kind."""
    with pytest.raises(MuseError) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)
