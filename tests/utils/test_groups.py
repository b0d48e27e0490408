import pytest
from attrdict import AttrDict as d

from muse.utils.errors import OptionError
from muse.utils.groups import named_groups


def test_groups_keep_their_order_and_names():
    one, two = d(cls=int), d(cls=str)
    assert list(named_groups(d(b=one, a=two), "x").items()) == [("b", one), ("a", two)]
    assert list(named_groups([one, two], "x").items()) == [("0", one), ("1", two)]
    assert named_groups(None, "x") == named_groups([], "x") == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (d(cls=int), "x: one group; expected groups by name"),
        ("a", "x: 'a'; expected groups by name"),
        ([d(cls=int), 3], "x/1: a int without a 'cls'"),
        (d(a=d(b=1)), "x/a: a AttrDict without a 'cls'"),
    ],
)
def test_anything_else_is_refused(value, told):
    with pytest.raises(OptionError) as caught:
        named_groups(value, "x")
    assert told in str(caught.value)
