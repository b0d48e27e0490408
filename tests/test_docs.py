"""The guides are true: every command and every block of Python in them runs, links lead somewhere, names import.

A page is run from top to bottom in a folder of its own. In a page,

* a block of `sh` is commands, one a line; a block of `python` runs in one namespace for the page;
* a block of `python` that begins with `# file: <name>` is written to that file, to be imported or run by what follows;
* a command that ends in `&` runs beside what follows it on the page, once it has said its first line;
* a block of `text` is not run. No other kind of block is there.

Pages show real sizes; `smaller` makes them small. `configs/README.md` has a test of its own, `tests/configs/test_readme.py`.
"""

import contextlib
import importlib
import importlib.util
import itertools
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from muse.cli.main import VERBS, main

ROOT = Path(__file__).resolve().parents[1]
RUN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "muse" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [*RUN, ROOT / "configs" / "README.md", ROOT / "CHANGELOG.md"]
TRAINING = ("goal_train", "train")
#: Flag of a verb -> its value in a test. 11 episodes are enough for one of holdout.
FLAGS = {"--max_eps": {"collect": 11, "eval": 3, "eval_video": 2, "replay": 2}, "--episodes": {"compare": 3}}
#: Options of the trainer in every training.
TRAINER = {
    "--max_steps": 6,
    "--save_every_n_steps": 3,
    "--rollout_train_env_every_n_steps": 3,
    "--rollout_train_env_n_per_step": 1,
    "--write_to_tensorboard_every_n_train_steps": 1,
}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks_of(page):
    """Yields line, kind and text of each block of code; an indented one counts as `sh`."""
    kind, begin, lines = None, 0, []
    for number, line in enumerate([*page.read_text().splitlines(), ""], start=1):
        if kind is None and line.startswith("```"):
            kind, begin, lines = line[3:].strip(), number + 1, []
        elif kind is None and line.startswith("    "):
            kind, begin, lines = "indented", number, [line[4:]]
        elif (kind == "indented" and not line.startswith("    ")) or (kind not in (None, "indented") and line == "```"):
            yield begin, "sh" if kind == "indented" else kind, "\n".join(lines) + "\n"
            kind = None
        elif kind is not None:
            lines.append(line[4:] if kind == "indented" else line)
    assert kind is None, f"{name_of(page)}: the block at line {begin} has no end"


def prose_of(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def smaller(words):
    """Returns the words of a verb at a size that takes a second or two."""
    verb, words = words[0], list(words)
    for i, word in enumerate(words[:-1]):
        if verb in FLAGS.get(word, ()):
            words[i + 1] = str(FLAGS[word][verb])
    if verb in TRAINING and "--help" not in words:
        # One more step for the runs that go on.
        steps = TRAINER["--max_steps"] + ("--continue" in words)
        values = {**TRAINER, "--max_steps": steps}
        words += ["%trainer", *(str(part) for pair in values.items() for part in pair)]
    if verb == "load_batches":
        words[1:1] = ["--num_batches", "3"]
    if any("exp_hvs" in word or "hvsBlock3D" in word for word in words):
        # Simulators take seconds to begin, and episodes of an untrained policy are long.
        if verb in ("collect", "eval", "replay"):
            words[1:1] = ["--num_envs", "2", *(["--max_eps", "2"] if verb == "replay" else [])]
        if verb in TRAINING:
            words += ["%vector_env", "--num_envs", "2", "%env_train", "--num_steps", "12"]
        recipe = next((i for i, word in enumerate(words) if word.endswith("imgs.py")), None)
        if recipe is not None:
            # Drawing and convolutions take their time.
            if verb in TRAINING:
                words[recipe + 1 : recipe + 1] = ["--batch_size", "2"]
            else:
                words = [word for word in words if word != "--only_successful"] + ["%env_train", "--num_steps", "8"]
    return words


def run_verb(words):
    try:
        return main(smaller(words))
    except SystemExit as end:
        return end.code


def run_line(line, beside=None):
    """Runs a command, or checks what a test cannot run. Returns its status.

    Args:
        beside: A stack of what ends with the page, for a command in the background.
    """
    words = shlex.split(line, comments=True)
    match words:
        case ["muse", *rest, "&"] if beside is not None:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = beside.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "muse", *smaller(rest)], stdout=subprocess.PIPE, text=True, env=environment
                )
            )
            beside.callback(process.terminate)
            return 0 if process.stdout.readline() else process.wait()
        case ["python", "-m", module, *rest] if module.startswith("muse."):
            return importlib.import_module(module).main(rest)
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no target '{target}'"
        case ["pip", "install", *_]:
            check_install(words)
        case ["source", path]:
            assert path == ".venv/bin/activate"
        case ["muse", *rest] | ["python", "-m", "muse", *rest]:
            return run_verb(rest)
        case ["python", script, *rest] if script.startswith("scripts/"):
            assert (ROOT / script).is_file(), f"no script {script}"
            return run_verb([Path(script).stem, *rest])
        case ["python", script]:
            runpy.run_path(script, run_name="__main__")
        case _:
            raise AssertionError("a command that this test does not know; a block that is not run is marked as text")
    return 0


def check_install(words):
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"[\w-]+", " ".join(re.findall(r"\[(.*?)\]", " ".join(words)))):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"no extra '{extra}'"
    for flag, file in itertools.pairwise(words):
        assert flag not in ("-c", "-r") or (ROOT / file).is_file(), f"no file {file}"


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    """An empty folder as the current one, whose modules can be imported and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def needing_robosuite(page):
    """Returns the page, left out where robosuite is not installed if that is what it is about."""
    missing = page.stem == "square" and importlib.util.find_spec("robosuite") is None
    return pytest.param(page, marks=pytest.mark.skipif(missing, reason="robosuite is not installed"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [needing_robosuite(page) for page in RUN], ids=[name_of(page) for page in RUN])
def test_what_a_page_says_runs(page, folder, capsys):
    with contextlib.ExitStack() as beside:
        run_page(page, folder, capsys, beside)
    unused = [path.name for path in folder.glob("*.py") if not is_used(path, page)]
    assert not unused, f"{name_of(page)}: nothing runs {', '.join(unused)}"


def run_page(page, folder, capsys, beside):
    namespace = {"__name__": "guide"}
    for begin, kind, text in blocks_of(page):
        where = f"{name_of(page)}:{begin}"
        assert kind in ("sh", "python", "text"), f"{where}: a block of '{kind}'; expected sh, python or text"
        file = re.match(r"# file: (\S+)\n", text)
        if kind == "python" and file:
            (folder / file[1]).write_text(text)
            compile(text, where, "exec")
        elif kind == "python":
            exec(compile("\n" * (begin - 1) + text, name_of(page), "exec"), namespace)
        elif kind == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                if line.strip():
                    status = run_line(line, beside)
                    assert status == 0, f"{where}: {line}\nstatus {status}\n{capsys.readouterr().err}"


def is_used(path, page):
    """Whether a file of a page is named outside of itself, as a file or as a module."""
    others = [text for _, _, text in blocks_of(page) if not text.startswith(f"# file: {path.name}\n")]
    return any(re.search(rf"\b{path.stem}\b", text) for text in others)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{name_of(page)}: {link}"


def anchors_of(page):
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_in_the_text_are_there(page):
    for span in re.findall(r"`([^`\n]+)`", prose_of(page)):
        if re.fullmatch(r"(muse|configs|cfgs)(\.\w+)+", span):
            assert is_importable(span), f"{name_of(page)}: `{span}` does not import"
        elif re.fullmatch(r"(muse|configs|cfgs|scripts|docs|tests|benchmarks)/[\w./-]*", span) and "..." not in span:
            assert (ROOT / span).exists(), f"{name_of(page)}: no `{span}`"
        elif re.fullmatch(r"muse \w+", span):
            assert span.split()[1] in VERBS, f"{name_of(page)}: no verb `{span}`"
        elif re.fullmatch(r"make [\w-]+", span):
            run_line(span)


def is_importable(name):
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            found = getattr(found, attribute, None)
        return found is not None
    return False


def test_the_readme_lists_every_verb():
    assert set(VERBS) <= set(re.findall(r"`(\w+)`", (ROOT / "README.md").read_text()))


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.name == "README.md" or f"]({page.relative_to(ROOT / 'docs').as_posix()})" in index, page.name
