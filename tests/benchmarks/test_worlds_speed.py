"""That worlds are measured beside their engines, and that the engines go the same way."""

import sys
from pathlib import Path

import pytest
from needs import needs_pybullet, needs_pymunk

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import worlds_speed

    yield worlds_speed
    sys.modules.pop("worlds_speed")


@needs_pymunk
@needs_pybullet
def test_both_engines_are_stepped_to_where_the_worlds_are(speed, capsys):
    assert speed.main(["--quick", "--only", "push_block", "--only", "block3d_lift", "--only", "playroom_press_button"]) == 0
    out = capsys.readouterr().out
    assert all(
        text in out for text in ("push_block: PushBlockEnv2D", "block3d_lift: BlockEnv3D", "playroom_press_button: Drawer")
    )


@needs_pybullet
def test_an_engine_that_is_somewhere_else_is_found_out(speed, monkeypatch):
    monkeypatch.setattr(speed, "INNER_STEPS", 4)
    with pytest.raises(SystemExit, match="block3d_lift: the bare engine is somewhere else"):
        speed.main(["--quick", "--only", "block3d_lift"])
