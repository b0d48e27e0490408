"""That the benchmark of pictures runs, and times pictures that are the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import needs_drawing, needs_robosuite

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@needs_robosuite
@needs_drawing
def test_every_row_runs(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "rendering.py"), "--quick", "--only", "hand", "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=290)
    assert found.returncode == 0, found.stderr
    rows = json.loads((tmp_path / "rendering.json").read_text())
    assert len(rows) == 3 and all(row["ratio"] > 0 for row in rows)
    assert "Pictures a second of processor time" in (tmp_path / "rendering.md").read_text()
