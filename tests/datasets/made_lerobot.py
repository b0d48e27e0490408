"""What lies in the datasets of `formats/data/lerobot_v3`. Needs numpy alone: LeRobot's interpreter reads it too."""

import numpy as np

FPS = 10
LENGTHS = [4, 3, 5]
TASKS = ["push the block", "öffne die Schublade", "push the block"]
PICTURES = ("observation.images.front", "observation.images.wrist")
#: Rows and columns of a picture. Every eighth of its width tells one bit of a number: dark 0, light 1.
SIZE = (48, 64)


def picture_of(number):
    """Returns a picture `(Y, X, 3)` uint8 that tells a number below 256, as videos do not blur away."""
    bits = (number >> np.arange(8)) & 1
    row = np.repeat(bits, SIZE[1] // 8) * 160 + 48
    return np.broadcast_to(row[None, :, None], (*SIZE, 3)).astype(np.uint8)


def number_of(picture):
    """Returns the number that a picture tells."""
    bits = picture.reshape(SIZE[0], 8, -1).mean(axis=(0, 2)) > 128
    return int((bits << np.arange(8)).sum())


def row_of(episode, step):
    """Returns what a row holds, by feature."""
    at = episode * 10 + step
    return {
        "observation.state": np.array([at, at + 0.25, -at], np.float32),
        "observation.grid": np.array([[at, 1], [2, at / 3]], np.float64),
        "action": np.array([at / 7, -at], np.float32),
        "next.reward": np.array([step / 3], np.float32),
        "next.done": np.array([step == LENGTHS[episode] - 1]),
        "note": f"row {at}" + "é" * step,
        **{key: picture_of(at * 2 + number) for number, key in enumerate(PICTURES)},
    }
