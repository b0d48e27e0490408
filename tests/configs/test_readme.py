"""Every file and command of configs/README.md works and prints what the guide says."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from muse.cli.main import main

GUIDE = Path(__file__).parents[2] / "configs" / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [(text.strip(), BLOCKS[i + 1][1]) for i, (kind, text) in enumerate(BLOCKS) if kind == "sh"]


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    for kind, text in BLOCKS:
        if kind == "python":
            (tmp_path / re.match(r"# file: (\S+)", text).group(1)).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def run(command, monkeypatch):
    """Runs a line of the guide in this process: torch takes seconds to import in another."""
    program, script, *args = shlex.split(command)
    assert program == "python"
    try:
        if script.startswith("scripts/"):
            return main([Path(script).stem, *args])
        monkeypatch.setattr(sys, "argv", [script, *args])
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.parametrize(("command", "expected"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_a_command_prints_what_the_guide_says(command, expected, folder, monkeypatch, capsys):
    status = run(command, monkeypatch)
    out, err = capsys.readouterr()
    printed = [" ".join(line.split()) for line in (out + err).splitlines()]
    for line in expected.splitlines():
        assert line in printed
    assert status == (2 if "error:" in expected else 0)


def test_the_guide_has_commands():
    assert len(COMMANDS) >= 10
