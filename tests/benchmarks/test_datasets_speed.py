"""That the benchmark of datasets runs, with and without the projects it compares with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ("MUSE_ROBOMIMIC_PYTHON", "MUSE_LEROBOT_PYTHON")
KEYS = {"name", "value", "unit", "reference", "ratio", "target", "holds"}


def run(*arguments, **environment):
    command = [sys.executable, str(ROOT / "benchmarks" / "datasets_speed.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=290)


@pytest.mark.parametrize("name", ["low_dim", "images", "memory"])
@pytest.mark.slow
def test_every_row_runs(tmp_path, name):
    found = run("--only", name, "--quick", "--out", str(tmp_path))
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "datasets.json").read_text())
    assert rows and all(set(row) - {"note"} == KEYS and row["name"].startswith(f"{name}: ") for row in rows)
    measured = [row for row in rows if row["ratio"] is not None]
    for row in measured:
        way = (row["value"], row["reference"]) if row["target"].startswith("<=") else (row["reference"], row["value"])
        assert row["ratio"] == pytest.approx(way[0] / way[1], rel=2e-2)
    assert len(measured) >= 1


def test_without_the_others_their_rows_are_not_measured(tmp_path):
    found = run("--only", "low_dim", "--quick", "--out", str(tmp_path), **dict.fromkeys(VARIABLES, ""))
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "datasets.json").read_text())
    assert [row["holds"] is None for row in rows] == [False, True, True]
    assert "MUSE_LEROBOT_PYTHON names no interpreter" in (tmp_path / "datasets.md").read_text()
