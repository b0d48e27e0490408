"""That the benchmark of serving runs. No test here looks at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_line_runs(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "serving.py"), "--quick", "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "serving.json").read_text())
    assert [row["name"].split(":")[0] for row in rows] == ["point_mass", "square", "pictures"]
    assert all(row["value"] > 0 and row["reference"] > 0 for row in rows) and (tmp_path / "serving.md").is_file()
