"""That the benchmarks run, time in turns, and report what they found. No test here looks at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"name", "value", "unit", "reference", "ratio", "target", "holds"}


@pytest.fixture
def modules(monkeypatch):
    """The modules beside `benchmarks/spine.py`, which stand on the path of that script alone."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import report
    import timing

    return report, timing


def run(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "spine.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=280)


def test_sides_take_turns_in_alternating_order(modules):
    _, timing = modules
    called = []
    effort = timing.Effort(samples=2, turns=2, calls=3, warmup=1)
    sides = {name: lambda name=name: called.append(name) for name in "ab"}
    found = timing.interleave(sides, effort, prepare=lambda: called.append("|"))
    assert "".join(called) == "|aaabbb" + 2 * "|aaabbbbbbaaa"
    assert [len(found.seconds[side]) for side in "ab"] == [2, 2]


def test_a_side_that_does_more_takes_longer(modules):
    _, timing = modules
    found = timing.Timing({"a": [3.0, 9.0, 4.0], "b": [1.0, 2.0, 8.0]})
    assert (found.median("a"), found.median("b"), found.fastest("a", "b")) == (4.0, 2.0, "b")
    assert found.ratios("a", "b") == [3.0, 4.5, 0.5]


@pytest.mark.parametrize(
    ("target", "ratio", "holds"), [("<= 2", 2.0, True), ("<= 1.9", 2.0, False), (">= 0.5", 0.5, True), (">= 0.6", 0.5, False)]
)
def test_a_row_says_whether_its_target_holds(modules, target, ratio, holds):
    report, timing = modules
    found = timing.Timing({"muse": [2e-3, 4e-3, 9e-3], "bare": [1e-3, 2e-3, 3e-3]})
    row = report.Row.of("what", "ms", target, "bare.", found, "muse", "bare")
    assert row.to_dict() == {
        "name": "what", "value": 4.0, "unit": "ms", "reference": 2.0, "ratio": ratio, "target": target, "holds": holds,
    }  # fmt: skip


def test_a_row_that_was_not_measured_says_why(modules, tmp_path):
    report, _ = modules
    row = report.Row("bf16", "ms", ">= 1.4", "fp32.", note="no bf16 here")
    assert row.holds is None and row.to_dict()["note"] == "no bf16 here"
    page = report.Page("Title", "make it", "page.md", "rows.json", ["A note.", ""], "other 1.0")
    report.write(tmp_path, page, [row], seconds=1.0)
    assert json.loads((tmp_path / "rows.json").read_text()) == [row.to_dict()]
    text = (tmp_path / "page.md").read_text()
    assert text.startswith("# Title\n\nWritten by `make it`.") and "\nA note.\n\n- Machine" in text and "; other 1.0\n" in text
    assert "| bf16 |  |  |  | >= 1.4 | not measured |" in text


def test_a_row_without_samples_shows_its_ratio(modules):
    report, _ = modules
    row = report.Row("what", "nats", "<= 1", "seeds.", value=1e-6, reference=0.1)
    assert row.to_cells() == ["what", "1e-06 nats", "0.1 nats", "1.0e-05", "<= 1", "yes"]


def test_a_part_is_written_only_where_it_is_asked_for(tmp_path):
    committed = ROOT / "benchmarks" / "results"
    before = {path: path.read_bytes() for path in committed.glob("*")}
    assert run("--only", "resolve", "--quick").returncode == 0
    assert {path: path.read_bytes() for path in committed.glob("*")} == before
    assert run("--only", "resolve", "--quick", "--out", str(tmp_path / "out")).returncode == 0
    (row,) = json.loads((tmp_path / "out" / "latest.json").read_text())
    assert set(row) == KEYS and row["ratio"] == pytest.approx(row["value"] / row["reference"], rel=1e-2)


def test_an_unknown_part_is_refused():
    found = run("--only", "warp_drive")
    assert found.returncode == 2 and "get_batch" in found.stderr


@pytest.mark.slow
def test_every_row_runs(tmp_path):
    found = run("--quick", "--out", str(tmp_path))
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "latest.json").read_text())
    assert [row["name"].partition(":")[0] for row in rows][:6] == [
        "get_batch", "train_step", "train_step_bf16", "get_action", "vector_env", "resolve",
    ]  # fmt: skip
    assert all(set(row) - {"note"} == KEYS and (row["holds"] is None) == (row["value"] is None) for row in rows)
