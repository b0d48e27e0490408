import os
import signal
import subprocess
import sys
import time

import pytest

from muse.utils.files import atomic_write, check_writable


def test_the_file_appears_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path, "w") as file:
        file.write("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert os.listdir(path.parent) == ["a.txt"]


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError), atomic_write(path, "w") as file:
        file.write("new")
        raise ValueError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_the_file_is_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "a", "w") as file:
        file.write("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.txt").write_text("old")
    (tmp_path / "a.txt").symlink_to("disk/a.txt")
    with atomic_write(tmp_path / "a.txt", "w") as file:
        file.write("new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "disk/a.txt").read_text() == "new"
    assert os.listdir(tmp_path / "disk") == ["a.txt"]


WRITER = """
import sys
from muse.utils.files import atomic_write
n = 0
while True:
    n += 1
    with atomic_write(sys.argv[1]) as file:
        for _ in range(50):
            file.write(bytes([n % 256]) * 20000)
"""


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.11])
def test_a_kill_leaves_a_whole_file(tmp_path, delay):
    path = tmp_path / "a.bin"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    while not path.exists():
        time.sleep(0.01)
        assert child.poll() is None
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    content = path.read_bytes()
    assert len(content) == 1_000_000 and len(set(content)) == 1


def test_what_can_be_written_is_known_beforehand(tmp_path):
    check_writable(tmp_path / "new" / "deeper" / "a.bin")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        check_writable(tmp_path / "file" / "a.bin")
