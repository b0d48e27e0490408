"""The import table of the architecture page, and what an import may do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Layer -> what it may import of ours (a prefix each). A layer may always import itself.
ALLOWED = {
    "configs": (),
    "muse.utils": (),
    "muse.specs": ("muse.utils",),
    "muse.metrics": ("muse.specs", "muse.utils"),
    "muse.datasets": ("muse.specs", "muse.utils"),
    "muse.envs": ("muse.specs", "muse.utils"),
    "muse.models": ("muse.specs", "muse.utils"),
    "muse.policies": ("muse.specs", "muse.utils", "muse.models.model", "muse.envs.env"),
    "muse.grouped_models": ("muse.models", "muse.specs", "muse.utils"),
    "muse.rewards": ("muse.metrics", "muse.models.model", "muse.specs", "muse.utils"),
    "muse.rollouts": (
        "muse.envs.env", "muse.envs.vector_env", "muse.policies.policy", "muse.models.model", "muse.datasets.dataset",
        "muse.metrics.metric", "muse.metrics.tracker", "muse.rewards.reward", "muse.specs", "muse.utils",
    ),
    "muse.serving": ("muse.policies.policy", "muse.models.model", "muse.envs.env", "muse.specs", "muse.utils"),
    "muse.trainers": (
        "muse.rollouts", "muse.envs.env", "muse.envs.vector_env", "muse.policies.policy", "muse.models.model", "muse.models.normalizer",
        "muse.datasets.dataset", "muse.datasets.augmentation", "muse.datasets.samplers.sampler", "muse.datasets.prefetch", "muse.metrics.metric",
        "muse.metrics.tracker", "muse.rewards.reward", "muse.specs", "muse.utils",
    ),
    "muse.testing": (
        "muse.teleop.device", "muse.teleop.keys",
        "muse.envs.env", "muse.envs.teleop", "muse.envs.vector_env", "muse.policies.policy", "muse.models.model", "muse.models.normalizer", "muse.datasets.dataset",
        "muse.datasets.samplers.sampler", "muse.metrics.metric", "muse.rewards.reward", "muse.specs", "muse.utils",
    ),
    "muse.teleop": ("muse.envs.teleop", "muse.specs", "muse.utils"),
    "muse.interactive": (
        "muse.teleop", "muse.rollouts", "muse.envs.env", "muse.envs.teleop", "muse.envs.vector_env", "muse.policies.policy",
        "muse.policies.take_over_policy", "muse.models.model", "muse.datasets.episode_writer", "muse.rewards.reward", "muse.specs", "muse.utils",
    ),
    "muse.experiments": ("muse",),
    "muse.cli": ("muse", "configs.helpers"),
    "muse": ("muse",),
    "cfgs": ("muse", "configs.fields"),
    "scripts": ("configs.helpers", "muse.cli"),
}  # fmt: skip
NOT_IN_EXPERIMENTS = ("muse.cli", "muse.testing")


def layer_of(module: str) -> str:
    if module.split(".")[0] in ("configs", "cfgs", "scripts"):
        return module.split(".")[0]
    parts = module.split(".")
    return ".".join(parts[:2]) if ".".join(parts[:2]) in ALLOWED else "muse"


def modules() -> list[Path]:
    return [p for top in ("configs", "cfgs", "muse", "scripts") for p in sorted((ROOT / top).rglob("*.py"))]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Every module imported anywhere in a file, inside functions too; `from a import b` counts as a.b where that is a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (ROOT / whole.replace(".", "/")).is_dir() or (ROOT / (whole.replace(".", "/") + ".py")).is_file()
                found.add(whole if is_module else node.module)
    return found


def test_every_import_follows_the_table():
    wrong = []
    for path in modules():
        layer = layer_of(name_of(path))
        for module in imports_of(path):
            if module.split(".")[0] not in ("muse", "configs", "cfgs", "scripts"):
                continue
            same = layer_of(module) == layer
            allowed = same or any(module == a or module.startswith(a + ".") for a in ALLOWED[layer])
            if layer == "muse.experiments" and module.startswith(NOT_IN_EXPERIMENTS):
                allowed = False
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_some_config_modules_need_the_standard_library_alone():
    for name in ("__init__", "command_line", "exp_name", "errors"):
        for module in imports_of(ROOT / "configs" / f"{name}.py"):
            assert module.split(".")[0] in sys.stdlib_module_names | {"configs"}, f"configs/{name}.py imports {module}"


def test_configs_import_only_attrdict_of_others():
    for path in (ROOT / "configs").glob("*.py"):
        for module in imports_of(path):
            assert module.split(".")[0] in sys.stdlib_module_names | {"configs", "attrdict"}, f"{path.name} imports {module}"


def test_muse_imports_itself_lazily():
    code = "import sys, muse, configs.command_line, configs.exp_name; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


BACK_ENDS = (
    "pygame",
    "wandb",
    "pybullet",
    "pymunk",
    "robosuite",
    "mujoco",
    "h5py",
    "zarr",
    "numcodecs",
    "PIL",
    "av",
    "matplotlib",
    "tensorboard",
    "imageio_ffmpeg",
    "rich",
)

PROBE = """
import importlib, os, sys, threading, warnings
warnings.simplefilter("error")
before = set(os.listdir("."))
for name in sys.argv[1].split(","):
    importlib.import_module(name)
    loaded = [b for b in {back_ends!r} if b in sys.modules]
    assert not loaded, f"importing {{name}} imports {{loaded}}"
assert set(os.listdir(".")) == before, "an import wrote a file"
assert threading.active_count() == 1, "an import started a thread"
"""


def test_importing_every_module_does_nothing(tmp_path):
    names = [name_of(p) for p in modules() if name_of(p).split(".")[0] in ("muse", "configs", "cfgs") and p.name != "__main__.py"]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(back_ends=BACK_ENDS), ",".join(names)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and done.stderr == ""


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_readable(path):
    text = path.read_text()
    assert text.count("\n") <= 450, "split it by subject"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < 90, f"{node.name} is too long"
