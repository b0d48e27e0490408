"""An env that does what simulators do when nobody wants it, for the tests of several folders."""

import os
import signal
import time
from pathlib import Path

from muse.envs.failure import EnvFailure
from muse.testing.fake_env import FakeEnv
from muse.utils.abstract import Argument

#: What each trouble looks like from outside, with a deadline of two seconds.
SAYS = {
    "kill": "its process was killed by SIGKILL",
    "segfault": "its process was killed by SIGSEGV",
    "exit": "its process ended with exit status 3",
    "hang": "no answer within 2 s",
    "error": "ZeroDivisionError: the simulation blew up",
    "system exit": "SystemExit: 0",
    "own words": "the solver diverged",
}
IN_PROCESS = ("error", "system exit", "own words")


class UnrulyEnv(FakeEnv):
    """In its first `times` attempts at each of the `seeds`, gets into `trouble` in the call `where` (a step: the third one)."""

    predefined_arguments = [
        *FakeEnv.predefined_arguments,
        Argument("trouble", type=str, default=""),
        Argument("where", type=str, default="step"),
        Argument("seeds", type=list, element_type=int, default=[]),
        Argument("times", type=int, default=1),
        Argument("folder", type=str, default="", help="where attempts are counted, over processes"),
    ]

    def reset(self, presets=None, seed=None):
        self.seed = seed
        if seed in self.seeds:
            with open(Path(self.folder) / str(seed), "a") as file:
                file.write(f"{os.getpid()}\n")
        self.cause_trouble("reset")
        result = super().reset(presets, seed)
        # Episodes of different lengths, so that rows begin and end at different times.
        self.episode_length = 5 + seed % 4
        return result

    def step(self, action):
        if self._steps == 2:
            self.cause_trouble("step")
        return super().step(action)

    def is_success(self):
        self.cause_trouble("is_success")
        return super().is_success()

    def render(self):
        if self._steps == 2:
            self.cause_trouble("render")
        return super().render()

    def cause_trouble(self, where):
        if where != self.where or self.seed not in self.seeds or len(attempts(self.folder, self.seed)) > self.times:
            return
        if self.trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.trouble == "exit":
            os._exit(3)
        if self.trouble == "hang":
            time.sleep(1000)
        if self.trouble == "error":
            raise ZeroDivisionError("the simulation\nblew up")
        if self.trouble == "system exit":
            raise SystemExit(0)
        if self.trouble == "own words":
            raise EnvFailure("UnrulyEnv.step", "the solver diverged")


def attempts(folder, seed):
    """Returns the process of each attempt at a seed."""
    path = Path(folder) / str(seed)
    return [int(line) for line in path.read_text().split()] if path.exists() else []
