"""A robot's wire with faults, around any robot, and an env that is built on it."""

from muse.envs.polymetis.simulated_panda_env import SimulatedPandaEnv


class FaultyWire:
    """A robot that does as it is told until something happens.

    Attributes:
        is_lost: Every call raises, as grpc does.
        is_frozen: Tells the same state for ever.
        delay: How long the next call takes [s], once.
        error_code, has_ended: What the robot reports.
    """

    def __init__(self, robot, clock):
        self.robot, self.clock = robot, clock
        self.is_lost = self.is_frozen = self.has_ended = False
        self.delay, self.error_code, self.change = 0.0, 0, {}
        self.calls = []

    def __getattr__(self, name):
        real = getattr(self.robot, name)
        if not callable(real):
            return real

        def call(*args, **kwargs):
            self.calls.append(name)
            delay, self.delay = self.delay, 0.0
            if delay:
                self.clock.sleep_until(self.clock.now() + delay)
            if self.is_lost:
                raise ConnectionError("StatusCode.UNAVAILABLE: failed to connect to all addresses")
            if name == "is_running_policy" and self.has_ended:
                return False
            answer = real(*args, **kwargs)
            return self._state(answer) if name == "get_robot_state" else answer

        return call

    def _state(self, state):
        if self.is_frozen:
            self.kept = getattr(self, "kept", state)
            return self.kept
        return _Changed(state, {"error_code": self.error_code, **self.change})


class _Changed:
    def __init__(self, state, values):
        self._state, self._values = state, values

    def __getattr__(self, name):
        values = self.__dict__["_values"]
        return values[name] if name in values else getattr(self._state, name)


class FaultyPandaEnv(SimulatedPandaEnv):
    """A simulated Panda behind a `FaultyWire`, `env.wire`."""

    def connect(self, clock):
        robot, gripper = super().connect(clock)
        self.wire = FaultyWire(robot, clock)
        return self.wire, gripper
