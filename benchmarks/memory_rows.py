"""How much memory of its own a process needs that trains from data larger than that."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from attrdict import AttrDict as d
from report import Row

from muse.datasets.formats import folder
from muse.datasets.formats.episode_data import EpisodeData
from muse.specs import EnvSpec

NAME = "memory"
SHAPE, LENGTH = (84, 84, 3), 200
CAMERAS = ("image", "ego_image")
_GIB = 2**30

#: Draws batches of windows for a step of a small network on the pictures, over a whole epoch's worth of places, and takes statistics.
_TRAINER = """
import json, re, sys
from attrdict import AttrDict as d
import torch
from muse.datasets import NpDataset
from muse.specs import EnvSpec

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

path, batches = sys.argv[1], int(sys.argv[2])
spec = EnvSpec.from_dict(json.loads(sys.argv[3]))
dataset = NpDataset(d(file=path, horizon=10, batch_size=16), spec)
dataset.get_statistics(["action"])
net = torch.nn.Sequential(torch.nn.Conv2d(6, 8, 8, stride=8), torch.nn.Flatten(), torch.nn.LazyLinear(7))
sampler, highest, first = dataset.get_sampler(0), 0, None
for step in range(batches):
    inputs, _ = dataset.get_batch(sampler.next_indices(), torch_device="cpu")
    pictures = torch.cat([inputs[name] for name in ("image", "ego_image")], dim=-1).flatten(0, 1).permute(0, 3, 1, 2)
    loss = (net(pictures.float() / 255) - inputs["action"].flatten(0, 1)).square().mean()
    loss.backward()
    highest = max(highest, anonymous())
print(json.dumps({"highest": highest, "windows": len(dataset)}))
"""


def measure_memory(quick: bool) -> list[Row]:
    """Writes frames to the disk, 20 GB of them, trains from them and looks at the anonymous memory of the process."""
    size, batches = (50e6, 5) if quick else (20e9, 1500)
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as made:
        path = Path(made) / "frames.muse"
        spec = _write(path, int(size))
        command = [sys.executable, "-c", _TRAINER, str(path), str(batches), json.dumps(spec.to_dict())]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    against = (
        f"the 2 GiB that are allowed; {batches} batches of 16 windows of 10 from {found['windows']} of all places, with a step of a small "
        "network on the pictures; the highest RssAnon of the whole process, torch included."
    )
    highest = found["highest"] / _GIB
    return [Row(f"{NAME}: training from {size / 1e9:g} GB of frames, RssAnon", "GiB", "<= 1", against, highest, 2.0)]


def _write(path: Path, size: int) -> EnvSpec:
    leaves: list[tuple] = [(camera, SHAPE, (0, 255), np.uint8) for camera in CAMERAS]
    leaves.append(("action", (7,), (-1, 1), np.float32))
    spec = EnvSpec(d(names_shapes_limits_dtypes=leaves, observation_names=list(CAMERAS), action_names=["action"]))
    episodes = max(2, size // (LENGTH * int(np.prod(SHAPE)) * len(CAMERAS)))
    part = min(episodes, 50)
    rng = np.random.default_rng(0)
    steps: dict[str, np.ndarray] = {n: rng.integers(0, 256, (part * LENGTH, *SHAPE), dtype=np.uint8) for n in CAMERAS}
    steps["action"] = rng.uniform(-1, 1, (part * LENGTH, 7)).astype(np.float32)
    data = EpisodeData(steps, {}, np.arange(1, part + 1) * LENGTH, {"spec": spec.to_dict()})
    for _ in range(episodes // part):
        folder.append(path, data)
    return spec
