from muse.utils.errors import brief


def test_what_a_library_says_is_cut_short():
    assert brief(ValueError("bad header\nand more")) == "bad header"
    assert brief(KeyError("name")) == "name" and brief(ValueError()) == "ValueError"
    assert brief(ValueError("bad"), with_kind=True) == "ValueError: bad" and brief(ValueError(), with_kind=True) == "ValueError"
    assert brief(ValueError("x" * 1000)) == "x" * 200 + "..."
