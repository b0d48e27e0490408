"""A point in the unit square that reaches a moving target among round obstacles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.checks import check_running, read_action, read_presets, read_teleop
from muse.envs.env import Env, EnvError
from muse.envs.simple.motion import CLEARANCE, Circle, is_free, move, place_circles, place_point
from muse.envs.simple.point_mass_view import PointMassView
from muse.envs.teleop import TeleopInput, towards
from muse.envs.window import Window
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator

#: Free way between two obstacles [m], so that what is left of the square stays in one piece.
_GAP = 0.06
#: Free way between an obstacle, or the edge, and a start [m].
_MARGIN = 0.03
#: How much the target's heading wanders in a step when it does not flee [rad].
_WANDER_STD = 0.6


class PointMassEnv(Env):
    """A point mass (`ego`) reaches a target that flees from it, in the square [0, 1]^2 [m].

    `action` is the ego's velocity along x and y as a fraction of `ego_speed`. The target moves by `target_speed` in every
    step: away from the ego with probability `0.1 + 0.7 max(cos phi, 0)`, where `phi` is the angle between the ego's motion and
    the way to the target; else it wanders. Obstacles block both, which slide along them. The episode ends when the ego comes
    within `tolerance` of the target, or truncated after `num_steps`.

    Presets: `ego` `(2,)`, `target` `(2,)`, `objects/position` `(n, 2)`, `objects/size` `(n,)`.
    """

    predefined_arguments = [
        Argument("render", type=bool, default=False, help="show a window (render() works without)"),
        Argument("num_steps", type=int, default=100, help="length after which an episode is truncated", unit="steps"),
        Argument("noise_std", type=float, default=0.0, help="noise on each coordinate of the ego's motion", unit="m"),
        Argument("theta_noise_std", type=float, default=0.0, help="noise on the direction in which the target flees", unit="rad"),
        Argument(
            "sparse_reward", type=bool, default=True, help="1 when the target is reached, else 0; if not, minus the distance"
        ),
        Argument("collision_penalty", type=float, default=0.0, help="taken from the reward of a step that an obstacle blocked"),
        Argument("target_speed", type=float, default=0.0125, help="way of the target in a step", unit="m"),
        Argument(
            "ego_speed", type=float, default=0.025, help="way of the ego in a step along each axis at full action", unit="m"
        ),
        Argument("tolerance", type=float, default=0.03, help="distance at which the target counts as reached", unit="m"),
        Argument("min_distance", type=float, default=0.3, help="least distance of drawn starts from the target", unit="m"),
        Argument("num_obstacles", type=int, default=0, help="round obstacles"),
        Argument("obstacle_bounds", type=list, default=[0.25, 0.75], element_type=float, help="range of their centres", unit="m"),
        Argument(
            "obstacle_radii", type=list, default=[0.05], element_type=float, help="one radius for all, or one for each", unit="m"
        ),
        Argument(
            "obstacle_face_colors", type=list, default=None, element_type=str, help="'#rrggbb', one for all or one for each"
        ),
        Argument(
            "initial_obs", type=list, default=None, element_type=float, help="fixed start of the ego; drawn when None", unit="m"
        ),
        Argument("initial_target", type=list, default=None, element_type=float, help="fixed start of the target", unit="m"),
        Argument("initial_obstacle_positions", type=list, default=None, help="fixed centres [[x, y], ...]", unit="m"),
        Argument("imgs", type=bool, default=False, help="observe 'image', the picture without the trails"),
        Argument("img_width", type=int, default=64, help="width of 'image'", unit="px"),
        Argument("img_height", type=int, default=64, help="height of 'image'", unit="px"),
    ]

    cosmetic_params = (*Env.cosmetic_params, "num_steps", "imgs", "img_width", "img_height", "obstacle_face_colors")

    teleop_inputs = ("x", "y", "pointer")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self._check_options()
        self._rng = np.random.Generator(np.random.PCG64())
        self._circles: list[Circle] = []
        self._ego = self._target = (0.5, 0.5)
        self._ego_motion = (0.0, 0.0)
        self._heading = 0.0
        self._steps = 0
        self._is_running = False
        self._reached = False
        #: Places of ego and target since the reset; none before the first one.
        self._trail: list[tuple[float, float, float, float]] = []
        self._sizes = np.zeros((1, 0), np.float32)
        self._centres = np.zeros((1, 0, 2), np.float32)
        self._view = PointMassView(self.obstacle_face_colors, self.tolerance)
        self._window = Window("Muse: point mass")

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group: obstacle and image names are there when the options ask for them."""
        n, penalty = params["num_obstacles"], params["collision_penalty"]
        lowest, highest = (0.0, 1.0) if params["sparse_reward"] else (-math.sqrt(2), 0.0)
        leaves: list[tuple] = [
            ("ego", (2,), (0, 1), np.float32, "m"),
            ("target", (2,), (0, 1), np.float32, "m"),
            ("action", (2,), (-1, 1), np.float32),
            ("reward", (1,), (lowest - penalty, highest), np.float32),
            ("truncated", (1,), (0, 1), bool),
        ]
        observations, param_names = ["ego", "target"], []
        if n > 0:
            leaves += [("objects/position", (n, 2), (0, 1), np.float32, "m"), ("objects/size", (n,), (0, 0.5), np.float32, "m")]
            observations.append("objects/position")
            param_names.append("objects/size")
        if params["imgs"]:
            leaves.append(("image", (params["img_height"], params["img_width"], 3), (0, 255), np.uint8))
            observations.append("image")
        return AttrDict(
            cls=EnvSpec,
            names_shapes_limits_dtypes=leaves,
            observation_names=observations,
            output_observation_names=["reward", "truncated"],
            action_names=["action"],
            param_names=param_names,
        )

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns where ego, target and obstacles were. How the target moves on is the seed's."""
        names = ("ego", "target", *(("objects/position", "objects/size") if params["num_obstacles"] else ()))
        return {name: first[name] for name in names} if all(name in first for name in names) else None

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode; see `Env.reset`.

        Raises:
            EnvError: For an unknown preset, one of the wrong shape or outside the square, a start inside an obstacle, or
                obstacles that leave no room.
        """
        names = ("ego", "target", "objects/position", "objects/size") if self.num_obstacles else ("ego", "target")
        given = read_presets(presets, names, "PointMassEnv.reset")
        if seed is not None:
            self._rng = make_generator(seed, "env")
        self._circles = self._draw_circles(given)
        self._target = self._draw_start("target", given.get("target", self.initial_target), None)
        self._ego = self._draw_start("ego", given.get("ego", self.initial_obs), self._target)
        self._heading = float(self._rng.uniform(-math.pi, math.pi))
        circles = np.asarray(self._circles, np.float32).reshape(1, -1, 3)
        self._centres, self._sizes = circles[:, :, :2], circles[:, :, 2]
        self._steps, self._is_running, self._reached = 0, True, False
        self._trail = [(*self._ego, *self._target)]
        self._view.start(self._circles)
        observation = self._observe()
        if self.num_obstacles:
            observation["objects"]["size"] = self._sizes.copy()
        self._show()
        return observation, AttrDict()

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Moves the ego, then the target; see `Env.step`."""
        check_running(self._is_running, "PointMassEnv.step")
        blocked = self._move_ego(*read_action(self.env_spec, action, "PointMassEnv.step")["action"].tolist())
        distance = math.dist(self._ego, self._target)
        self._reached = distance <= self.tolerance
        if not self._reached:
            self._move_target()
            distance = math.dist(self._ego, self._target)
            self._reached = distance <= self.tolerance
        self._steps += 1
        self._trail.append((*self._ego, *self._target))
        truncated = self._steps >= self.num_steps and not self._reached
        self._is_running = not (self._reached or truncated)
        reward = (1.0 if self._reached else 0.0) if self.sparse_reward else -distance
        observation = self._observe()
        observation["reward"] = np.array([[reward - self.collision_penalty * blocked]], np.float32)
        observation["truncated"] = np.array([[truncated]])
        self._show()
        return observation, AttrDict(), np.array([not self._is_running])

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Drives the ego along `twist`, or to where the pointer is."""
        check_running(bool(self._trail), "PointMassEnv.get_teleop_action")
        twist, _, pointer = read_teleop(given, "PointMassEnv.get_teleop_action")
        velocity = twist[:2]
        if pointer is not None and self.ego_speed > 0:
            x, y = self._view.place_at(*pointer)
            velocity = towards((x - self._ego[0], y - self._ego[1]), 1 / self.ego_speed, 1.0)
        return AttrDict(action=np.array([velocity], np.float32))

    def is_success(self) -> bool:
        """Whether the target has been reached."""
        return self._reached

    def render(self, size: int = 400) -> np.ndarray:
        """Returns the world with the trails of ego and target, `(size, size, 3)` uint8."""
        return self._view.draw(size, size, self._ego, self._target, self._reached, self._trail, self._steps / self.num_steps)

    def close(self) -> None:
        """Closes the window, where there is one."""
        self._is_running = False
        self._window.close()

    def _move_ego(self, ax: float, ay: float) -> bool:
        dx, dy = self.ego_speed * min(1.0, max(-1.0, ax)), self.ego_speed * min(1.0, max(-1.0, ay))
        if self.noise_std > 0:
            noise = self._rng.normal(0.0, self.noise_std, size=2)
            dx, dy = dx + float(noise[0]), dy + float(noise[1])
        before = self._ego
        x, y, blocked = move(*before, dx, dy, self._circles)
        self._ego, self._ego_motion = (x, y), (x - before[0], y - before[1])
        return blocked

    def _move_target(self) -> None:
        if self.target_speed == 0:
            return
        (x, y), (ego_x, ego_y), (dx, dy) = self._target, self._ego, self._ego_motion
        way_x, way_y = x - ego_x, y - ego_y
        lengths = math.hypot(way_x, way_y) * math.hypot(dx, dy)
        cosine = (way_x * dx + way_y * dy) / lengths if lengths > 0 else 0.0
        if self._rng.random() < 0.1 + 0.7 * max(cosine, 0.0):
            self._heading = math.atan2(way_y, way_x)
            if self.theta_noise_std > 0:
                self._heading += float(self._rng.normal(0.0, self.theta_noise_std))
        else:
            self._heading += float(self._rng.normal(0.0, _WANDER_STD))
        dx, dy = self.target_speed * math.cos(self._heading), self.target_speed * math.sin(self._heading)
        new_x, new_y, _ = move(x, y, dx, dy, self._circles)
        self._target = (new_x, new_y)
        if math.dist((x, y), self._target) < 0.5 * self.target_speed:
            # Up against an edge: it looks for another way instead of standing still.
            self._heading = float(self._rng.uniform(-math.pi, math.pi))

    def _observe(self) -> AttrDict:
        observation = AttrDict({"ego": np.array([self._ego], np.float32), "target": np.array([self._target], np.float32)})
        if self.num_obstacles:
            observation["objects"] = AttrDict({"position": self._centres.copy()})
        if self.imgs:
            picture = self._view.draw(self.img_height, self.img_width, self._ego, self._target, self._reached)
            observation["image"] = picture[None]
        return observation

    def _draw_circles(self, given: Mapping[str, Any]) -> list[Circle]:
        radii = self._radii
        if "objects/size" in given:
            radii = _array(given["objects/size"], (self.num_obstacles,), "objects/size", 0.0, 0.5).tolist()
        fixed = given.get("objects/position", self.initial_obstacle_positions)
        if fixed is not None and self.num_obstacles:
            centres = _array(fixed, (self.num_obstacles, 2), "objects/position").tolist()
            return [(x, y, radius) for (x, y), radius in zip(centres, radii, strict=True)]
        circles = place_circles(self._rng, radii, (self.obstacle_bounds[0], self.obstacle_bounds[1]), _GAP)
        if circles is None:
            raise EnvError(
                "PointMassEnv.reset", f"no room for {len(radii)} obstacles", "fewer or smaller ones, or wider obstacle_bounds"
            )
        return circles

    def _draw_start(self, name: str, fixed: Any, away_from: tuple[float, float] | None) -> tuple[float, float]:
        if fixed is not None:
            x, y = _array(fixed, (2,), name).tolist()
            if not is_free(x, y, self._circles, CLEARANCE):
                raise EnvError(
                    f"PointMassEnv.reset: '{name}'", f"({x:g}, {y:g}) is inside an obstacle", "a start outside every obstacle"
                )
            return x, y
        point = place_point(self._rng, self._circles, _MARGIN, away_from, self.min_distance)
        if point is None:
            raise EnvError(
                "PointMassEnv.reset",
                f"no room for '{name}'",
                f"a start {self.min_distance:g} m from the target, outside the obstacles",
            )
        return point

    def _check_options(self) -> None:
        where = "PointMassEnv"
        for name in ("num_steps", "img_width", "img_height"):
            if getattr(self, name) < 1:
                raise EnvError(f"{where}: {name}", str(getattr(self, name)), "at least 1")
        for name in (
            "noise_std",
            "theta_noise_std",
            "target_speed",
            "ego_speed",
            "num_obstacles",
            "collision_penalty",
            "min_distance",
        ):
            if not getattr(self, name) >= 0:
                raise EnvError(f"{where}: {name}", str(getattr(self, name)), "at least 0")
        if self.tolerance <= CLEARANCE:
            raise EnvError(f"{where}: tolerance", str(self.tolerance), f"more than {CLEARANCE:g} m")
        if len(self.obstacle_bounds) != 2 or not 0 <= self.obstacle_bounds[0] <= self.obstacle_bounds[1] <= 1:
            raise EnvError(f"{where}: obstacle_bounds", str(self.obstacle_bounds), "[low, high] within [0, 1]")
        if len(self.obstacle_radii) not in (1, self.num_obstacles) or not all(
            0 < radius <= 0.5 for radius in self.obstacle_radii
        ):
            raise EnvError(
                f"{where}: obstacle_radii", str(self.obstacle_radii), f"one radius, or {self.num_obstacles}, each in (0, 0.5]"
            )
        self._radii = (self.obstacle_radii * self.num_obstacles)[: self.num_obstacles]

    def _show(self) -> None:
        if self.render_window:
            self._window.show(self.render())


def _array(value: Any, shape: tuple[int, ...], name: str, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.shape != shape:
        raise EnvError(f"PointMassEnv: start '{name}'", f"shape {array.shape}", f"shape {shape}")
    if not np.all((array >= low) & (array <= high)):
        raise EnvError(f"PointMassEnv: start '{name}'", f"{array.tolist()}", f"within [{low:g}, {high:g}] m")
    return array
