"""A session: a person drives, watches a policy, takes over from it, and says of each episode whether it is kept.

    session = Session(env, policy, model, device, panel, keeper, seed=0)
    session.run()

Episodes go through the loop of all others (`muse.rollouts.loop`), one at a time:

    ready -> running <-> paused -> keep it? -> ready ...
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from muse.envs.env import Env
from muse.envs.teleop import TeleopInput
from muse.envs.vector_env import VectorEnv
from muse.interactive.commands import SHORT_HELP
from muse.interactive.keeper import Keeper
from muse.interactive.panel import Panel, Said
from muse.interactive.view import State, View
from muse.models.model import Model
from muse.policies.policy import Policy
from muse.policies.take_over_policy import TakeOverPolicy
from muse.rewards.reward import Reward
from muse.rollouts.loop import RolloutLoop
from muse.rollouts.pictures import picture_names
from muse.specs import EnvSpec, Episode
from muse.teleop.device import InputDevice, Reading
from muse.teleop.recorded import DeviceLog
from muse.utils.clock import WallClock
from muse.utils.errors import MuseError
from muse.utils.rate import Rate
from muse.utils.seeding import episode_seed
from muse.utils.video import fit_picture

_log = logging.getLogger(__name__)

#: Between moments in which nothing runs, of an env that keeps a rate itself [s].
_IDLE = 0.02


@dataclasses.dataclass(frozen=True)
class SessionOptions:
    """How a session goes.

    Attributes:
        seed: Of the starts.
        hz: Moments, and steps while an episode runs, a second [1/s]; 0: as fast as they come, for envs that keep a rate themselves.
        max_eps: Kept episodes in the file after which the session is over; 0: until the person quits.
        max_steps: Steps after which an episode is cut; 0: when the env says.
        starts_at_once: An episode begins without being asked to.
        begins_with_person: Who acts first in each episode, where there is a policy.
        title: What is collected, for the panel.
    """

    seed: int = 0
    hz: float = 10.0
    max_eps: int = 0
    max_steps: int = 0
    starts_at_once: bool = False
    begins_with_person: bool = False
    title: str = ""


class Session:
    """See the module's text. Whatever happens, every episode that was kept is on the disk: at most the one in progress is lost.

    A device or an env that fails, and a disk that refuses, do not end a session: it pauses or waits, and says what is wrong.

    Args:
        env: Can be driven (`Env.teleop_inputs`); it stays open.
        policy: What acts until a person takes over; None: the person does.
        model: Given to the policy.
        env_spec: The spec that policies act by.
        device: In the person's hands.
        panel: By which the person sees and speaks.
        keeper: Of the episodes.
        options: How it goes.
        goal_policy, reward: See `RolloutLoop`.
        presets: The starts to go through again and again; None for random ones.
        log: Of what device and panel said.
        clock: Returns seconds.
    """

    def __init__(
        self,
        env: Env,
        policy: Policy | None,
        model: Model | None,
        env_spec: EnvSpec,
        device: InputDevice,
        panel: Panel,
        keeper: Keeper,
        options: SessionOptions,
        *,
        goal_policy: Policy | None = None,
        reward: Reward | None = None,
        presets: Sequence[Mapping[str, Any]] | None = None,
        log: DeviceLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.env, self.device, self.panel, self.keeper, self.options = env, device, panel, keeper, options
        self.policy = TakeOverPolicy(policy, env_spec)
        self.state = State.READY
        self._vector_env = VectorEnv.of(env)
        self._loop = RolloutLoop(
            self._vector_env, self.policy, model, goal_policy=goal_policy, reward=reward, max_steps=options.max_steps, retries=0
        )
        self._presets, self._log, self._clock = presets, log, clock
        self._picture_names = picture_names(env.env_spec)
        self._limit = min(filter(None, (options.max_steps, env.get_time_limit(env.params) or 0)), default=0)
        idle = {"take_over": policy is None, "arm": type(env).arm is Env.arm}
        commands = [text for name, text in SHORT_HELP.items() if not idle.get(name)]
        self._help = (*device.help_for(env.teleop_inputs), *commands)
        self._rate = Rate(WallClock(), options.hz) if options.hz else None
        self._number = keeper.next_number
        self._begun = 0
        self._message = ""
        self._wants_to_quit = False
        self._episode: Episode | None = None
        self._forget()

    def run(self, must_stop: Callable[[], bool] = lambda: False) -> None:
        """Goes on until the person quits, `max_eps` episodes are there, or `must_stop` says so.

        Raises:
            MuseError: When the device or the panel cannot be opened, or the env not be reset for the first time, unless it waits for
                the person to arm it.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_log)
            if self._is_enough():
                return
            self.panel.open()
            stack.callback(self.panel.close)
            stack.callback(self.device.close)
            self.device.open(self.panel if self.panel.has_keys else None)
            self._begin(self._number)
            if self._error is not None and self.env.is_armed:
                raise self._error
            if self._rate is not None:
                self._rate.start()
            while self.state is not State.CLOSED and not must_stop():
                self.tick()
                if self._rate is not None:
                    self._rate.wait()
                elif self.state is not State.RUNNING:
                    time.sleep(_IDLE)

    def tick(self) -> None:
        """Does what one moment asks for: listens, obeys, steps a running episode, and shows where it is."""
        said = self.panel.poll()
        reading = self._read_device()
        refused = self._write_log(Reading(reading.given, reading.buttons | set(said.commands)))
        self._take_note(said)
        for command in (*said.commands, *sorted(reading.buttons - set(said.commands))):
            self._obey(command)
        if refused:
            self._pause_with(refused)
        if self.state is State.RUNNING and not said.is_typing:
            self._step(reading.given)
            self._is_resting = False
        else:
            self._moment = None
            self._rest()
        if self.state is not State.CLOSED:
            self.panel.show(self._view())

    @property
    def observation(self) -> dict[str, np.ndarray]:
        """What the env observed last, a flat dict, leaves `(1, *shape)`: what the person sees."""
        return self._vector_env.observe(self.env.env_spec.observation_names)

    def _rest(self) -> None:
        """Tells the env, once, that no step comes for a while."""
        if self._is_resting or self._error is not None:
            return
        self._is_resting = True
        try:
            self.env.rest()
        except MuseError as error:
            self._fail(error)

    # Listening.

    def _read_device(self) -> Reading:
        try:
            return self.device.read()
        except MuseError as error:
            self._pause_with(str(error))
            return Reading(TeleopInput())

    def _write_log(self, reading: Reading) -> str:
        """Returns what is to be said when the disk refuses: then the log ends there, for one with a gap repeats something else."""
        if self._log is None:
            return ""
        try:
            self._log.write(reading)
        except OSError as error:
            self._close_log()
            return f"the device's log ends here: {error}"
        return ""

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with contextlib.suppress(OSError):  # What it could not write it has said.
                log.close()

    def _pause_with(self, message: str) -> None:
        if self.state is State.RUNNING:
            self.state = State.PAUSED
        self._message = message

    def _take_note(self, said: Said) -> None:
        if said.note is not None:
            self._note = said.note
            self._message = "noted" if said.note else "no note"

    def _obey(self, command: str) -> None:
        quits, self._wants_to_quit = self._wants_to_quit, False
        act = getattr(self, f"_{command}", None)
        if command == "quit":
            self._quit(again=quits)
        elif command == "close":
            self.state = State.CLOSED
        elif command in ("start", "pause", "keep", "discard", "redo", "reset", "success", "take_over", "arm") and act is not None:
            self._message = ""
            act()
        elif command != "note":
            self._message = f"no command '{command}'"

    # Commands.

    def _start(self) -> None:
        if self._error is not None:
            self._message = f"r begins anew: {self._error}"
        elif self.state in (State.READY, State.PAUSED):
            self.state = State.RUNNING
        elif self.state is State.RUNNING:
            self.state = State.PAUSED
        else:
            self._message = "the episode is over: y keeps it, n drops it"

    def _pause(self) -> None:
        if self.state is State.READY:
            self._message = "it has not started"
        else:
            self._start()

    def _keep(self) -> None:
        if self.state is State.READY:
            self._message = "nothing to keep yet: space starts"
            return
        if self.state is not State.ENDED and not self._end_now():
            return
        assert self._episode is not None
        episode = self._episode
        if self._mark is not None:
            episode = dataclasses.replace(episode, success=self._mark)
        try:
            self.keeper.keep(self._number, episode, self._mark, self._note)
        except (MuseError, OSError) as error:
            self._message = f"NOT kept: {error}"
            return
        kept = f"kept, {len(episode)} steps"
        _log.debug("episode %d of start %d %s", self.keeper.num_episodes, self._number, kept)
        if self._is_enough():
            self.state = State.CLOSED
            return
        self._begin(max(self.keeper.next_number, self._number + 1), kept)

    def _discard(self) -> None:
        if self.state is State.READY:
            self._message = "nothing to drop yet: r is another start"
        else:
            self._reset("dropped")

    def _reset(self, message: str = "another start") -> None:
        if self._error is not None:
            self._begin(self._number, "the same start again")
            return
        self._loop.abandon()
        self.keeper.skip(self._number)
        self._begin(max(self.keeper.next_number, self._number + 1), message)

    def _redo(self) -> None:
        """Of an episode that has begun, that one, also where the env has failed in it; before it, the last that was kept."""
        if self.state is not State.READY or self._error is not None:
            self._loop.abandon()
            self._begin(self._number, "the same start again")
        elif not self.keeper.num_episodes:
            self._message = "no episode to take back"
        else:
            try:
                number = self.keeper.take_back()
            except (MuseError, OSError) as error:
                self._message = f"NOT taken back: {error}"
                return
            self._loop.abandon()
            self._begin(number if number >= 0 else self._number, "the last one is taken back: the same start again")

    def _success(self) -> None:
        if self.state is State.READY:
            self._message = "nothing to mark yet"
            return
        try:
            self._mark = not self._is_success()
        except MuseError as error:
            self._pause_with(f"NOT marked: {error}")
            return
        self._message = "marked as a success" if self._mark else "marked as no success"

    def _take_over(self) -> None:
        if self.policy.policy is None:
            self._message = "there is no policy to give it to"
            return
        self.policy.is_person = not self.policy.is_person
        self._message = "you have it" if self.policy.is_person else "the policy has it"

    def _arm(self) -> None:
        if self._error is None:
            self._message = "it may move already"
            return
        try:
            self.env.recover()
            self.env.arm()
        except MuseError as error:
            self._message = f"it may NOT move: {error}"
            return
        self._message = "it may move now: r begins anew"

    def _quit(self, again: bool) -> None:
        if again or self.state is State.READY:
            self.state = State.CLOSED
            return
        if self.state is State.RUNNING:
            self.state = State.PAUSED
        self._wants_to_quit = True
        self._message = "q again quits WITHOUT this episode; y keeps it"

    # Episodes.

    def _begin(self, number: int, message: str = "") -> None:
        """Resets the env for the start of a number, and waits for the person."""
        self._forget()
        self._number, self._begun = number, self._begun + 1
        self.policy.is_person = self.policy.policy is None or self.options.begins_with_person
        preset = None if self._presets is None else self._presets[number % len(self._presets)]
        self.state = State.RUNNING if self.options.starts_at_once else State.READY
        try:
            self._loop.start([episode_seed(self.options.seed, number)], [preset])
        except MuseError as error:
            self._fail(error)
            return
        hint = "space starts" if self.state is State.READY else ""
        self._message = ", ".join(filter(None, (message, hint)))

    def _fail(self, error: MuseError) -> None:
        """The env or the policy has failed: what ran is lost, and nothing moves before the person says so."""
        self._loop.abandon()
        self._forget()
        self._error, self.state = error, State.READY
        how = "r begins anew" if type(self.env).arm is Env.arm else "look, then c lets it move and r begins anew"
        self._message = f"the episode is lost, {how}: {error}"

    def _forget(self) -> None:
        self._episode, self._note, self._mark = None, "", None
        self._error: MuseError | None = None
        #: Whether the env knows that no step comes for a while.
        self._is_resting = False
        self._steps, self._seconds = 0, 0.0
        self._moment: float | None = None

    def _step(self, given: TeleopInput) -> None:
        now = self._clock()
        if self._steps and self._moment is not None:
            self._seconds += now - self._moment
        self._moment = now
        try:
            self.policy.person_action = self.env.get_teleop_action(given) if self.policy.is_person else {}
            episodes = self._loop.step()
        except MuseError as error:
            self._fail(self._loop.lost[-1].error if self._loop.lost else error)
            return
        self._steps += 1
        if episodes:
            self._episode, self.state = episodes[0], State.ENDED

    def _is_enough(self) -> bool:
        return 0 < self.options.max_eps <= self.keeper.num_episodes

    def _end_now(self) -> bool:
        """Ends an episode where it is; whether there is one now."""
        if not self._steps:
            self._message = "nothing to keep yet: it has no step"
            return False
        episodes = self._loop.cut()
        if not episodes:
            self._fail(self._loop.lost[-1].error)
            return False
        self._episode, self.state = episodes[0], State.ENDED
        return True

    def _is_success(self) -> bool:
        if self._mark is not None:
            return self._mark
        if self._episode is not None:
            return bool(self._episode.success)
        return self._error is None and self.env.is_success()

    def _view(self) -> View:
        rendered, seen, is_success = None, {}, False
        try:
            is_success = self._is_success()
            if self._error is None:
                rendered, seen = self.env.render(), self._vector_env.observe(self._picture_names)
        except MuseError as error:  # Nobody drives blindly; what there is of the episode may be kept.
            self._pause_with(f"the env shows nothing: {error}")
        pictures = [
            *([] if rendered is None else [rendered]),
            *(fit_picture(array[0], *array.shape[1:3]) for array in seen.values()),
        ]
        return View(
            state=self.state, title=self.options.title, episode=self._begun, kept=self.keeper.num_episodes,
            wanted=self.options.max_eps, steps=self._steps, limit=self._limit, seconds=self._seconds,
            driver="you are" if self.policy.is_person else "the policy is", is_success=is_success, mark=self._mark,
            note=self._note, message=self._message, pictures=pictures,
            has_pointer=rendered is not None and "pointer" in self.env.teleop_inputs, help=self._help,
        )  # fmt: skip
