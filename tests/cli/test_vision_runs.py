"""Training from pictures at the command line: runs that are stopped and go on, with everything that is random in them."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from muse.cli.main import main
from muse.models.vision import ResNetTrunk

RECIPE = "cfgs/exp_point_mass/vis_bc_rnn.py"
SMALL = "%env_train --img_width 20 --img_height 16 --num_steps 20"
TRAINER = (
    "%trainer --save_every_n_steps 4 --holdout_every_n_steps 3 --holdout_max_batches 1 "
    "--rollout_train_env_every_n_steps 0 --max_steps"
)
RANDOM = "--crop_frac 0.7 --color_jitter 0.3 0.3 0.3 0.05 --noise_std 0.05"


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """A folder of its own as the current one, with a few episodes of small pictures."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("vision"))
    words = f"{RECIPE} %policy cfgs/policy/point_mass_expert.py {SMALL}"
    assert run(f"collect --max_eps 11 --save_file data/point_mass/scripted_100_imgs.muse {words}") == 0
    yield
    os.chdir(before)


def train(name, steps, encoder, flags=""):
    words = f"{RECIPE} --exp_name {name} --batch_size 4 %model %%image_encoder {encoder} {SMALL} {TRAINER} {steps}"
    assert run(f"goal_train --no_wandb {flags} {words}") == 0
    (folder,) = Path("experiments").glob(f"{name}_vis*")
    return folder


def state_of(folder):
    return torch.load(folder / "models" / "train_state.pt", weights_only=True)


def test_a_run_that_goes_on_sees_the_crops_colours_and_noise_of_one_that_never_stopped():
    words = f"--trunk conv {RANDOM}"
    whole = state_of(train("whole", 8, words))
    assert state_of(train("part", 4, words))["step"] == 4
    part = state_of(train("part", 8, words, "--continue"))
    assert part["step"] == whole["step"] == 8
    assert all(torch.equal(weights, part["weights"][name]) for name, weights in whole["weights"].items())
    # What is compared does depend on what was drawn.
    other = state_of(train("other", 8, f"{words} --augment_per_frame"))
    assert any(not torch.equal(weights, other["weights"][name]) for name, weights in whole["weights"].items())


def test_a_run_goes_on_without_the_weights_that_it_began_with():
    torch.save(ResNetTrunk(18, "batch").state_dict(), "resnet18.pth")
    words = f"--trunk resnet18 --stages 1 --norm batch --frozen --weights_file resnet18.pth {RANDOM}"
    folder = train("begun", 4, words)
    copy = Path(shutil.copytree(folder, "experiments/copy"))
    whole = state_of(train("begun", 8, words, "--continue"))
    Path("resnet18.pth").unlink()
    assert run(f"eval --max_eps 1 exp={copy} %env_train --num_steps 3") == 0
    assert run(f"goal_train --no_wandb --continue exp={copy} {TRAINER} 8") == 0
    part = state_of(copy)
    assert part["step"] == 8
    assert all(torch.equal(weights, part["weights"][name]) for name, weights in whole["weights"].items())


def test_a_run_without_its_weights_does_not_begin(capsys):
    words = f"--exp_name none %model %%image_encoder --trunk resnet18 --norm batch --weights_file none.pth {SMALL}"
    for flags in ("", "--continue"):
        assert run(f"goal_train --no_wandb {flags} {RECIPE} {words} {TRAINER} 4") == 1
        assert "error: weights_file 'none.pth': no such file" in capsys.readouterr().err
        assert not list(Path("experiments").glob("none*"))
