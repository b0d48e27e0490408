import os
import subprocess
import sys

import pytest

from muse.experiments.file_manager import ExperimentError, ExperimentFileManager


def create(base, name="a/b", **options):
    return ExperimentFileManager.create(name, "export = {}\n", "--x 1", "{}", base_dir=base, **options)


def test_a_new_folder_is_whole(tmp_path):
    manager = create(tmp_path)
    files = {str(p.relative_to(manager.exp_dir)) for p in manager.exp_dir.rglob("*") if p.is_file()}
    assert files == {
        "config.py",
        "config_args.txt",
        "config_resolved.json",
        "git/commit.txt",
        "git/diff.patch",
        "environment.txt",
        ".lock",
    }
    assert manager.models_dir.is_dir()
    assert "torch==" in (manager.exp_dir / "environment.txt").read_text()
    assert os.listdir(tmp_path / "a") == ["b"]


def test_no_arguments_no_arguments_file(tmp_path):
    manager = ExperimentFileManager.create("a", "x", "", "{}", base_dir=tmp_path)
    assert not (manager.exp_dir / "config_args.txt").exists()


def test_an_experiment_is_not_overwritten_by_accident(tmp_path):
    create(tmp_path).close()
    with pytest.raises(ExperimentError) as info:
        create(tmp_path)
    assert str(info.value) == (
        f"{tmp_path}/a/b: this experiment exists; expected a new name\n"
        "  try: --continue to resume it, --overwrite to replace it, or --extra_exp_name _again after the recipe"
    )


def test_overwrite_replaces_all_of_it(tmp_path):
    first = create(tmp_path)
    (first.models_dir / "model.pt").write_text("old")
    first.close()
    second = create(tmp_path, overwrite=True)
    assert list(second.models_dir.iterdir()) == [] and os.listdir(tmp_path / "a") == ["b"]


def test_overwrite_replaces_an_experiment_and_nothing_else(tmp_path):
    create(tmp_path).close()
    for name, got in (("a", "a folder with other experiments in it"), (".", "a folder with other experiments in it")):
        with pytest.raises(ExperimentError, match=got):
            create(tmp_path, name=name, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ExperimentError) as info:
        create(tmp_path, name="mine", overwrite=True)
    assert str(info.value) == (
        f"{tmp_path}/mine: not an experiment; expected one experiment to replace\n"
        "  try: another exp_name, or delete the folder by hand"
    )
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep" and (tmp_path / "a/b/config.py").is_file()


def test_one_run_per_folder(tmp_path):
    first = create(tmp_path)
    for again in (lambda: ExperimentFileManager.resume(first.exp_dir), lambda: create(tmp_path, overwrite=True)):
        with pytest.raises(ExperimentError, match="another run is writing here"):
            again()
    first.close()
    ExperimentFileManager.resume(first.exp_dir).close()


def test_a_dead_run_holds_nothing(tmp_path):
    code = (
        "import os, sys\nfrom muse.experiments.file_manager import ExperimentFileManager as M\n"
        "M.create('a', 'x', '', '{}', base_dir=sys.argv[1]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 9
    ExperimentFileManager.resume(tmp_path / "a").close()


def test_resume_keeps_what_the_run_goes_on_with(tmp_path):
    create(tmp_path).close()
    manager = ExperimentFileManager.resume(tmp_path / "a" / "b")
    assert (manager.exp_dir / "config_args.txt").read_text() == "--x 1"
    manager.rewrite("export = {}\n", "--x 2", "{}")
    assert (manager.exp_dir / "config_args.txt").read_text() == "--x 2"


@pytest.mark.parametrize("name", ["", "/etc", "../x", "a/../../x", "  "])
def test_a_name_stays_below_the_folder(tmp_path, name):
    with pytest.raises(ExperimentError, match="not a path below"):
        create(tmp_path, name)


def test_opening_what_is_no_experiment(tmp_path):
    with pytest.raises(ExperimentError, match="no experiment here; expected a folder with config.py"):
        ExperimentFileManager.open(tmp_path)


def test_find_model_prefers_the_best_and_lists_what_is_there(tmp_path):
    manager = create(tmp_path)
    with pytest.raises(ExperimentError, match="no checkpoint; expected a run that has saved one"):
        manager.find_model()
    (manager.models_dir / "model.pt").touch()
    assert manager.find_model().name == "model.pt"
    (manager.models_dir / "best_model.pt").touch()
    (manager.models_dir / "train_state.pt").touch()
    assert manager.find_model().name == "best_model.pt"
    assert manager.find_model("model.pt").name == "model.pt"
    with pytest.raises(ExperimentError, match="expected one of best_model.pt, model.pt$"):
        manager.find_model("chkpt_1.pt")


def test_evaluations_never_share_a_folder(tmp_path):
    manager = create(tmp_path)
    first = manager.new_eval_dir()
    first.mkdir(parents=True)
    assert manager.new_eval_dir() != first
