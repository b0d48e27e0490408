import subprocess

import numpy as np
import pytest

from muse.envs.env import Env
from muse.experiments.provenance import (
    FingerprintError,
    check_same_env,
    env_fingerprint,
    environment_text,
    fingerprint_differences,
    git_state,
    plain_value,
)


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True)


def test_commit_and_diff_of_the_working_folder(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\n")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "first words")
    (tmp_path / "a.txt").write_text("two\n")
    (tmp_path / "new.txt").write_text("secret\n")
    monkeypatch.chdir(tmp_path)
    commit, diff = git_state()
    assert "first words" in commit and "new.txt" in commit
    assert "-one" in diff and "+two" in diff and "secret" not in diff


def test_a_folder_without_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commit, _ = git_state()
    assert commit


def test_environment_text_lists_versions():
    text = environment_text()
    assert text.startswith("muse ") and "\nnumpy==" in text and "\npython " in text


class SomeEnv(Env):
    fingerprint_packages = ("gymnasium",)
    cosmetic_params = ("render", "color")


def test_a_fingerprint_is_plain_and_follows_the_options():
    one = env_fingerprint({"cls": SomeEnv, "radius": 0.1, "exp_name": "x", "fn": len})
    assert one["class"].endswith("test_provenance.SomeEnv") and one["params"] == {"fn": "builtins.len", "radius": 0.1}
    assert set(one["versions"]) == {"muse", "numpy"} and set(one["simulators"]) == {"gymnasium"}
    assert env_fingerprint({"cls": SomeEnv, "radius": 0.2})["params"] != one["params"]


def test_differences_name_class_options_and_simulators():
    one, other = (
        env_fingerprint({"cls": SomeEnv, "radius": 0.1, "bounds": (0, 1)}),
        env_fingerprint({"cls": SomeEnv, "radius": 0.2, "bounds": [0, 1]}),
    )
    assert fingerprint_differences(one, other) == ["radius 0.1, now 0.2"]
    assert fingerprint_differences(one, {**one, "versions": {}}) == [] and fingerprint_differences({}, one) == []
    assert fingerprint_differences({**one, "simulators": {"gymnasium": "0.1"}}, one)[0].startswith("gymnasium '0.1', now ")


def test_what_makes_no_difference():
    one = env_fingerprint({"cls": SomeEnv, "radius": 0.1, "color": "red", "render": False})
    assert one["cosmetic"] == ["color", "render"]
    assert fingerprint_differences(one, env_fingerprint({"cls": SomeEnv, "radius": 0.1, "color": "blue", "render": True})) == []
    # An option that one side does not know: the class got it later.
    assert fingerprint_differences(one, env_fingerprint({"cls": SomeEnv, "radius": 0.1, "mass": 2.0})) == []


def test_another_environment_is_refused_or_warned_of(caplog):
    one, other = (env_fingerprint({"cls": SomeEnv, "radius": radius, "mass": mass}) for radius, mass in ((0.1, 1), (0.2, 2)))
    with pytest.raises(FingerprintError) as error:
        check_same_env("data/a.npz", one, other)
    assert str(error.value) == (
        "data/a.npz: made in another environment: mass 1, now 2; radius 0.1, now 0.2; expected the same environment\n"
        "  try: the options and versions that it was made with, or --allow_mismatch where you mean it"
    )
    check_same_env("data/a.npz", one, other, allow_mismatch=True)
    assert [record.getMessage() for record in caplog.records] == [
        "data/a.npz was made in another environment: mass 1, now 2",
        "data/a.npz was made in another environment: radius 0.1, now 0.2",
    ]
    check_same_env("data/a.npz", {}, other)


def test_plain_values():
    assert plain_value({"a": (1, np.float32(0.5)), "b": np.arange(2), "c": None, "d": dict}) == {
        "a": [1, 0.5],
        "b": [0, 1],
        "c": None,
        "d": "builtins.dict",
    }
