"""What is called in a child by test_guard.py."""

import os
import time
from pathlib import Path

from muse.datasets.dataset import DataError
from muse.utils.errors import OptionError


def add(one, other, tell):
    tell(1, 2)
    tell(2, 2)
    return one + other


def die_by_signal(number, tell):
    os.kill(os.getpid(), number)


def leave(tell):
    os._exit(3)


def take_memory(num_bytes, tell):
    return len(bytearray(num_bytes))


def divide(tell):
    return 1 / 0


def refuse(tell):
    raise OptionError("a.hdf5: 'x'", "no such name", "'y'", "--map")


def refuse_data(tell):
    raise DataError("a.hdf5", "cut short")


def hang(file, tell):
    Path(file).write_text(str(os.getpid()))
    time.sleep(1000)


def tell_pid(tell):
    return os.getpid(), os.getppid()
