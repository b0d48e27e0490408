"""Short scripts of the arm that do each task, to see that it can be done and is seen to be done."""

import math

import numpy as np
from attrdict import AttrDict as d

from muse.utils.attrdicts import flatten

ABOVE = 0.2


def move(env, place, yaw=0.0, gripper=0.0, steps=8):
    """Sends the hand somewhere, until the episode ends; returns what is seen and whether it goes on."""
    action = d(action=np.array([[*place, 0.0, 0.0, yaw, gripper]], np.float32))
    for _ in range(steps):
        if not env._is_running:
            break
        obs, _, _ = env.step(action)
        env.seen = {name: value[0] for name, value in flatten(obs).items()}
    return env.seen


def grasp(env, first, yaw):
    """Takes the object with the fingers across `yaw`."""
    (x, y, z), size = first["objects/position"][0], first["objects/size"][0]
    z = max(0.012, z, z + size[2] / 2 - 0.035)
    move(env, (x, y, ABOVE), yaw, steps=12)
    move(env, (x, y, z), yaw, steps=7)
    move(env, (x, y, z), yaw, 255.0, steps=5)
    return z - first["objects/position"][0][2]


def solve(env, first):
    """Does the task of `env`, whose first row is `first`."""
    (x, y, z), yaw = first["objects/position"][0], first["objects/orientation_eul"][0, 2]
    yaw = float((yaw + math.pi / 2) % math.pi - math.pi / 2)
    if env.task == "tip":
        return tip(env, first)
    if env.task == "rotate":
        turn = float(first["goals/yaw"][0] - first["objects/orientation_eul"][0, 2])
        # Another pair of the block's sides, where the hand would turn too far.
        for grip in (yaw, yaw - math.pi / 2, yaw + math.pi / 2):
            if max(abs(grip), abs(grip + turn)) <= math.pi / 2:
                break
        above = grasp(env, first, grip)
        return move(env, (x, y, z + above), grip + turn, 255.0, steps=12)
    above = grasp(env, first, yaw)
    a, b, c = first["goals/position"][0]
    if env.task in ("push", "pull"):
        return move(env, (a, b, z + above), yaw, 255.0, steps=12)
    move(env, (x, y, ABOVE), yaw, 255.0, steps=7)
    if env.task != "lift":
        move(env, (a, b, ABOVE), yaw, 255.0, steps=12)
        move(env, (a, b, c + above + 0.004), yaw, 255.0, steps=7)
        move(env, (a, b, c + above + 0.004), yaw, 0.0, steps=5)
        move(env, (a, b, ABOVE), yaw, 0.0, steps=8)
    return env.seen


def tip(env, first):
    """Rolls the object over its far edge: the fingers, which it sticks to, go along with its near side."""
    place, size = first["objects/position"][0], first["objects/size"][0]
    way = first["goals/direction"][0]
    turn = first["objects/orientation_eul"][0, 2]
    width = size[0] if abs(math.cos(math.atan2(way[1], way[0]) - turn)) > 0.5 else size[1]
    yaw = float((turn + math.pi / 4) % (math.pi / 2) - math.pi / 4)
    edge = place[:2] + way * width / 2
    high = size[2] - 0.004

    def go(angle, gap, steps):
        # Along the way and up, seen from the far edge at the bottom.
        along = -width * math.cos(angle) + high * math.sin(angle) - gap * math.cos(angle)
        up = width * math.sin(angle) + high * math.cos(angle) + gap * math.sin(angle)
        return move(env, (*(edge + way * along), max(0.012, up + 0.004)), yaw, 255.0, steps)

    x, y = edge - way * (width + 0.06)
    move(env, (x, y, ABOVE), yaw, 255.0, steps=12)
    go(0.0, 0.06, 7)
    for gap in (0.045, 0.03, 0.02, 0.012):
        go(0.0, gap, 1)
    for angle in np.arange(0.1, 1.5, 0.1):
        go(angle, 0.01, 1)
    return go(1.5, 0.01, 8)
