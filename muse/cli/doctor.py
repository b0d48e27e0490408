"""`muse doctor`: what works here, and how to mend what does not."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from muse.experiments.provenance import package_version
from muse.utils.graphics import graphics
from muse.utils.optional import import_optional

_DESCRIPTION = """Print versions and devices, which parts work on this machine, and how to mend what does not.

Exit status 1 when a part of the core does not work; missing extras are no failure."""

#: Distribution, the module that must import, and what it is for.
CORE = [
    ("numpy", "numpy", "arrays"),
    ("torch", "torch", "models"),
    ("attr-dicts", "attrdict", "batches and configs"),
    ("dotmap", "dotmap", "needed by attr-dicts, which does not declare it"),
    ("gymnasium", "gymnasium", "GymEnv"),
    ("rich", "rich", "progress"),
    ("matplotlib", "matplotlib.figure", "plots"),
    ("imageio-ffmpeg", "imageio_ffmpeg", "videos"),
    ("tensorboard", "tensorboard.summary", "training curves"),
]
#: Extra, distribution, module, what it is for.
EXTRAS = [
    ("window", "pygame", "pygame", "on-screen windows (render=True, muse interactive_collect), Gymnasium's renderers"),
    ("wandb", "wandb", "wandb", "Weights & Biases"),
    ("hdf5", "h5py", "h5py", "robomimic's and Minari's datasets (muse convert)"),
    ("zarr", "zarr", "zarr", "diffusion_policy's datasets (muse convert)"),
    ("lerobot", "pyarrow", "pyarrow.parquet", "LeRobot's datasets (muse convert)"),
    ("lerobot", "av", "av", "LeRobot's videos (muse convert)"),
    ("pymunk", "pymunk", "pymunk", "worlds of blocks in the plane (muse.envs.pymunk)"),
    ("bullet", "pybullet", "pybullet", "worlds of an arm at a table (muse.envs.bullet_envs); Python 3.10 and 3.11"),
    ("spacemouse", "hidapi", "hid", "a SpaceMouse to drive by hand with (muse interactive_collect)"),
    ("robosuite", "robosuite", "mujoco", "RobosuiteEnv; Python 3.10 to 3.12, and a C compiler to install"),
]


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend` is a command or an advice; empty when all is well."""

    part: str
    state: str
    works: bool
    mend: str = ""
    is_core: bool = True


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    # A plain parser: the shared one imports torch, whose absence is one of the things to report.
    parser = argparse.ArgumentParser(prog=prog, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    findings = list(examine())
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        mark = "ok " if finding.works else ("BAD" if finding.is_core else "-- ")
        print(f"{mark} {finding.part:<{width}}  {finding.state}")
        if finding.mend:
            print(f"    {'':<{width}}  mend: {finding.mend}")
    return int(any(finding.is_core and not finding.works for finding in findings))


def examine() -> Iterator[Finding]:
    """Yields what is there, part by part."""
    import muse

    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding("muse", f"{muse.__version__} in {os.path.dirname(muse.__file__)}", True)
    yield Finding(
        "python",
        f"{platform.python_version()} on {platform.platform()}",
        supported,
        "" if supported else "use Python 3.10 to 3.13",
    )
    for distribution, module, purpose in CORE:
        yield _examine_module(distribution, distribution, module, purpose, "pip install -e . -c constraints.txt", is_core=True)
    yield from _examine_devices()
    for extra, distribution, module, purpose in EXTRAS:
        yield _examine_module(
            f"extra '{extra}'", distribution, module, purpose, f"pip install -e '.[{extra}]' -c constraints.txt", is_core=False
        )
    git = shutil.which("git")
    yield Finding(
        "git", git or "not found: runs cannot record their commit", bool(git), "" if git else "apt-get install git", is_core=False
    )
    yield _examine_pictures()
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    yield Finding(
        "display", screen or "none: windows will not open; off-screen pictures and videos work", bool(screen), is_core=False
    )


def _examine_module(part: str, distribution: str, module: str, purpose: str, mend: str, is_core: bool) -> Finding:
    version = package_version(distribution)
    try:
        import_optional(module)
    except Exception as error:
        state = f"{'not installed' if version is None else f'{version} does not import: {error}'} ({purpose})"
        return Finding(part, state, False, mend, is_core)
    return Finding(part, f"{distribution} {version} ({purpose})", True, "", is_core)


def _examine_pictures() -> Finding:
    part, mend = "pictures of simulators", "apt-get install libosmesa6, to draw in software, and leave MUJOCO_GL unset"
    how = os.environ.get("MUJOCO_GL") or graphics()
    if how == "disable":
        return Finding(part, "none: RobosuiteEnv works from state alone", False, mend, is_core=False)
    if package_version("robosuite") is None:
        return Finding(part, f"drawn off the screen by {how}, for the extra 'robosuite'", True, is_core=False)
    try:
        from muse.envs.robosuite.camera import try_camera

        device, rate = try_camera()
    except Exception as error:
        return Finding(part, f"{how} does not work: {error}", False, mend, is_core=False)
    state = f"drawn off the screen by {how}, {device}: {rate:.0f} a second, of 84x84 pixels (Lift, agentview)"
    return Finding(part, state, True, is_core=False)


def _examine_devices() -> Iterator[Finding]:
    try:
        import torch
    except Exception:
        return
    yield Finding(
        "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads, {torch.backends.cpu.get_cpu_capability()}", True
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Finding(f"cuda:{index}", torch.cuda.get_device_name(index), True)
    else:
        yield Finding("cuda", "none: device='cuda' falls back to the CPU", False, is_core=False)
    if package_version("torchvision"):
        yield Finding(
            "torchvision", f"{package_version('torchvision')} is installed; Muse does not need it, and a build for another torch breaks imports",
            False, "pip uninstall torchvision, unless something else of yours needs it", is_core=False,
        )  # fmt: skip
