"""`muse envs`: every world is found, told, drawn and timed, and the page about them says what is."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict
from needs import needs_pymunk
from PIL import Image

from muse.cli.envs.measuring import measure_speed, save_picture, take_picture
from muse.cli.envs.page import PICTURE_SIZE, make_page, make_section, overview_row, picture_of, write_page
from muse.cli.envs.results import ExpertResult, ResultsError, Speed, TrainedResult, read_results, record
from muse.cli.envs.tables import describe_limits, paragraphs_of, text_table, wrapped
from muse.cli.envs.worlds import World, commands_of, find_experiment, find_worlds, load_world
from muse.cli.main import main
from muse.envs.env import make
from muse.envs.simple.gym_env import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.specs import Leaf
from muse.utils.attrdicts import nest
from muse.utils.errors import MissingExtraError, OptionError
from muse.utils.video import VideoError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "worlds.md"
RENEW = "the page is old: muse envs --write docs (--keep_pictures where none changed)"


def open_image(path):
    """Returns a picture of a file, and closes the file."""
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def here(monkeypatch):
    """The checkout as the current folder."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def own_world(tmp_path, monkeypatch):
    """A folder with a world of its own, `tiny`, its expert, and a recipe that learns it, as the current one."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "env/tiny": '"""A small world.\n\nIt has one | obstacle."""\nfrom attrdict import AttrDict as d\n'
        "from muse.envs.simple.point_mass_env import PointMassEnv\nexport = d(cls=PointMassEnv, num_obstacles=1, num_steps=30)\n",
        "env/blind": '"""Needs what nobody has."""\nfrom attrdict import AttrDict as d\n'
        "from muse.envs.simple.point_mass_env import PointMassEnv\n\n"
        'class Blind(PointMassEnv):\n    fingerprint_packages = ("no-such-simulator",)\n'
        "    @classmethod\n    def get_default_env_spec_params(cls, params):\n"
        '        from muse.utils.optional import require\n        require("no_such_simulator", "window", "Blind")\n\n'
        "export = d(cls=Blind)\n",
        "policy/tiny_expert": "from cfgs.policy.point_mass_expert import export\n",
        "exp_worlds/tiny": "from attrdict import AttrDict as d\nfrom cfgs.exp_point_mass import bc_rnn\n"
        'export = bc_rnn.export & d(exp_name="worlds/tiny", env_train=d(num_obstacles=1, num_steps=30),'
        'dataset="../worlds/tiny")\n',
    }
    for name, text in texts.items():
        path = tmp_path / "cfgs" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_every_recipe_of_a_world_is_found_and_no_other(here):
    found = {world.name: world for world in find_worlds()}
    assert {"point_mass", "cartpole", "push_block", "square"} <= set(found)
    assert "processes" not in found
    for name, world in found.items():
        assert world.recipe == f"cfgs/env/{name}.py" and world.summary, name
        assert bool(world.expert) == (ROOT / "cfgs" / "policy" / f"{name}_expert.py").is_file(), name
        assert world.time_limit and world.time_limit > 0, name


@needs_pymunk
def test_the_time_limit_that_is_told_is_the_one_that_holds(here):
    for name in ("point_mass", "pendulum", "push_block", "maze"):
        world = load_world(name)
        env, steps, done = make(world.cls, world.options), 0, np.array([False])
        env.reset(seed=0)
        action = nest(env.env_spec.get_zeros(env.env_spec.action_names, 1))
        while not done.all():
            obs, _, done = env.step(action)
            steps += 1
        assert obs["truncated"].all() and steps == world.time_limit, name
        env.close()
    assert GymEnv.get_time_limit({"env_type": "CartPole-v1", "env_kwargs": {"max_episode_steps": 9}}) == 9
    assert GymEnv.get_time_limit({"env_type": "no_module:NoEnv-v1", "env_kwargs": {}}) is None
    assert PointMassEnv.get_time_limit({"max_steps": float("inf")}) is None


def test_the_list_shows_what_is_missing_and_how_to_get_it(own_world, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["envs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  tiny\s+PointMassEnv\s+30\s*", next(line for line in lines if line.startswith("  tiny")))
    blind = next(line for line in lines if line.startswith("  blind"))
    assert blind.endswith("(no-such-simulator)")
    assert any("(without an expert)" in line for line in lines)
    assert "  no-such-simulator is missing: pip install no-such-simulator" in lines
    assert "      A small world." in lines
    assert main(["envs", "blind"]) == 0
    out = capsys.readouterr().out
    assert "missing: pip install no-such-simulator" in out and "cannot import 'no_such_simulator'" in out
    assert "\noptions\n" in out and "\nobservations\n" not in out


@pytest.mark.parametrize("columns", [80, 130])
def test_a_list_fits_the_terminal(columns, here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["envs"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= columns
    assert all(len(line) <= columns for line in _lines_of_tables("push_block", capsys))


def _lines_of_tables(world, capsys):
    """Returns the lines of a world's tables; the commands before them are as long as they are."""
    assert main(["envs", world]) == 0
    lines = capsys.readouterr().out.splitlines()
    return lines[lines.index("observations") :]


def test_a_world_is_told_in_full(own_world, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    assert main(["envs", "tiny"]) == 0
    out = capsys.readouterr().out
    for text in (
        "tiny: PointMassEnv", "A small world.", "It has one | obstacle.", "recipe     cfgs/env/tiny.py", "episode    30 steps at most",
        "by hand    x, y, pointer",
        "expert     cfgs/policy/tiny_expert.py", "learnt by  cfgs/exp_worlds/tiny.py", "train      muse goal_train --no_wandb cfgs/exp_worlds/tiny.py",
    ):  # fmt: skip
        assert text in out, text
    for role in ("observations", "params, known at reset", "actions", "outputs of a step", "options"):
        assert f"\n{role}\n" in out, role
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert ["objects/position", "1 2", "float32", "0 to 1", "m"] in rows
    assert ["num_steps", "30", "length after which an episode is truncated [steps] (default: 100)"] in rows


def test_what_it_says_to_type_is_what_runs(own_world, capsys):
    collect, train = commands_of(load_world("tiny"), "cfgs/exp_worlds/tiny.py")
    assert train == ["muse", "goal_train", "--no_wandb", "cfgs/exp_worlds/tiny.py"]
    collect[collect.index("--max_eps") + 1] = "2"
    assert main(collect[1:]) == 0
    assert "2 episodes" in capsys.readouterr().out
    (file,) = own_world.rglob("*.npz")
    assert file == (own_world / collect[collect.index("--save_file") + 1]).resolve()


def test_a_world_without_a_recipe_can_be_collected_from(own_world, capsys):
    world = World("tiny", "cfgs/env/tiny.py", "", load_world("tiny").group, "cfgs/policy/tiny_expert.py")
    (collect,) = commands_of(world, "")
    collect[collect.index("--max_eps") + 1] = "2"
    assert main(collect[1:]) == 0
    assert (own_world / "data" / "worlds" / "tiny.npz").is_file()


def test_options_may_follow_and_experiments_do(own_world, capsys):
    assert main(["envs", "cfgs/exp_point_mass/bc_rnn.py", "%env_train", "--num_obstacles", "2"]) == 0
    out = capsys.readouterr().out
    assert "objects/position  2 2" in out and "collect" not in out
    assert load_world("tiny", ["--num_steps", "7"]).time_limit == 7
    shutil.copy("cfgs/env/tiny.py", "tiny.py")
    assert load_world("tiny").expert and not load_world("tiny.py").expert, "another recipe of the same name"


def test_experiments_are_found_by_their_world(here):
    assert find_experiment(load_world("cartpole")) == "cfgs/exp_gym/cartpole_bc.py"
    assert find_experiment(load_world("cartpole", ["--success_return", "3"])) == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["maz"], "no world 'maz' (did you mean 'maze'?)"),
        (["cfgs/env/processes.py"], "no environment"),
        (["--speed"], "without a world"),
        (["--write", "docs", "maze"], "the page is of all of them"),
        (["--picture", "a.xyz", "tiny"], "a name that ends in .png"),
        (["--picture", "a.png", "blind"], "no package 'no-such-simulator'"),
        (["--write", "docs"], "no package 'no-such-simulator'"),
    ],
)
def test_mistakes_are_told(words, text, own_world, capsys):
    assert main(["envs", *words]) > 0
    assert text in capsys.readouterr().err
    assert not list(own_world.rglob("*.xyz")) and not (own_world / "docs").exists()


def test_a_share_lies_between_start_and_end(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["envs", "--at", "1.5", "--picture", "a.png", "maze"])
    assert "1.5 is not a share" in capsys.readouterr().err


def test_a_picture_shows_the_moment_that_is_asked_for(own_world, capsys):
    world = load_world("tiny")
    start, later = take_picture(world, seed=1, at=0.0), take_picture(world, seed=1, at=0.5)
    assert np.array_equal(start, take_picture(world, seed=1, at=0.0)) and not np.array_equal(start, later)
    assert np.array_equal(start, take_picture(World("a", "", "", world.group), seed=1)), "without an expert it is the start"
    assert main(["envs", "--picture", "a.png", "--seed", "1", "--at", "0.5", "tiny"]) == 0
    assert np.array_equal(np.asarray(open_image("a.png")), later)


def test_a_small_picture_keeps_the_colours_of_small_things(tmp_path):
    picture = np.full((400, 600, 3), 250, np.uint8)
    picture += np.arange(600, dtype=np.uint8)[None, :, None] % 5
    picture[100:108, 100:108] = (220, 60, 40)
    save_picture(picture, tmp_path / "a.png", 300)
    image = open_image(tmp_path / "a.png")
    assert image.mode == "P" and image.size == (300, 200)
    red, green, _ = np.asarray(image.convert("RGB"))[52, 52]
    assert red > 200 and green < 90


def test_a_world_that_draws_nothing_says_so():
    class Unseen(PointMassEnv):
        def render(self, size=400):
            return None

    with pytest.raises(VideoError, match="no picture"):
        take_picture(World("unseen", "", "", AttrDict(cls=Unseen)))


def test_speed_is_of_the_steps_alone(own_world, capsys):
    class Slow(PointMassEnv):
        def reset(self, *args, **kwargs):
            sum(range(30_000))
            return super().reset(*args, **kwargs)

    plain, slow = (
        measure_speed(World("a", "", "", AttrDict(cls=cls, num_steps=5)), runs=1, seconds=0.01) for cls in (PointMassEnv, Slow)
    )
    assert slow > plain / 5
    assert main(["envs", "--speed", "tiny"]) == 0
    assert re.search(r"speed\s+[\d,]+ steps in a second of processor time", capsys.readouterr().out)


# The results.


EXPERT = ExpertResult(200, 190, 61.5, 0, "cfgs/policy/tiny_expert.py")
TRAINED = TrainedResult(100, 80, 70.0, 0, "cfgs/exp_worlds/tiny.py", 200, 20_000, 12.5, "a machine")


def test_results_come_back_and_stay(tmp_path):
    file = tmp_path / "worlds.json"
    assert read_results(file) == {}
    record("tiny", "expert", EXPERT, file)
    record("other", "speed", Speed(5000.0, "a machine"), file)
    record("tiny", "bc", TRAINED, file)
    assert read_results(file) == {"tiny": {"expert": EXPERT, "bc": TRAINED}, "other": {"speed": Speed(5000.0, "a machine")}}
    written = json.loads(file.read_text())["tiny"]["expert"]
    assert written["low"] < 0.95 < written["high"]


@pytest.mark.parametrize("text", ["{", "[1]", '{"tiny": {"no_kind": {}}}', '{"tiny": {"speed": {"machine": ""}}}'])
def test_damaged_results_are_refused(text, tmp_path):
    (tmp_path / "worlds.json").write_text(text)
    with pytest.raises(ResultsError, match=r"not the results of worlds"):
        read_results(tmp_path / "worlds.json")


# The page.


def test_a_page_is_written_with_its_pictures(own_world, capsys):
    worlds = [load_world("tiny")]
    record("tiny", "expert", EXPERT, "worlds.json")
    record("tiny", "bc", TRAINED, "worlds.json")
    record("tiny", "speed", Speed(5000.0, "a machine"), "worlds.json")
    said = write_page(Path("docs"), worlds, Path("worlds.json"))
    assert "1 worlds, 1 pictures" in said
    text, picture = Path("docs/worlds.md").read_text(), picture_of(Path("docs"), worlds[0])
    assert max(open_image(picture).size) == PICTURE_SIZE
    for part in (
        "![tiny](worlds/tiny.png)", "95.0% [91.0, 97.3] of 200", "80.0% [71.1, 86.7] of 100", "200 demonstrations, 20,000 training steps",
        "5,000", "`num_obstacles=1`", "| `action` | action | 2 | float32 | -1 to 1 |", "- driven by hand: x, y, pointer", "### PointMassEnv",
    ):  # fmt: skip
        assert part in text, part
    before = picture.stat().st_mtime_ns
    assert "0 pictures" in write_page(Path("docs"), worlds, Path("worlds.json"), keep_pictures=True)
    assert picture.stat().st_mtime_ns == before and Path("docs/worlds.md").read_text() == text


def test_the_committed_page_is_up_to_date(here):
    page, results, worlds = PAGE.read_text(encoding="utf-8"), read_results(), find_worlds()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE)[:-1] == [world.name for world in worlds], RENEW
    there = [world for world in worlds if world.cls.is_physical or world.need is None or not world.need.missing]
    for world in there:
        found = results.get(world.name, {})
        assert make_section(world, found) in page, f"{world.name}: {RENEW}"
        assert all(cell.replace("|", "\\|") in page for cell in overview_row(world, found)), f"{world.name}: {RENEW}"
    assert len(there) < len(worlds) or make_page(worlds, results) == page, RENEW


def test_the_committed_pictures_are_small_and_of_the_worlds(here):
    names = {world.name for world in find_worlds() if not world.cls.is_physical}
    files = {path.stem: path for path in (ROOT / "docs" / "worlds").iterdir()}
    assert set(files) == names, RENEW
    for path in files.values():
        image = open_image(path)
        assert image.mode == "P" and max(image.size) <= PICTURE_SIZE and path.stat().st_size < 40_000, path.name


@needs_pymunk
def test_a_committed_picture_is_what_is_drawn(here, tmp_path):
    save_picture(take_picture(load_world("push_block")), tmp_path / "a.png", PICTURE_SIZE)
    now, then = (
        np.asarray(open_image(path).convert("RGB"), np.int64)
        for path in (tmp_path / "a.png", ROOT / "docs/worlds/push_block.png")
    )
    assert np.mean(np.abs(now - then).max(axis=-1) > 40) < 0.01, RENEW


# Parts.


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        (Leaf("a", (2,), 0, 4, np.float32), "0 to 4"),
        (Leaf("a", (3,), [-1, -1, 0], [1, 1, 5], np.float32), "+-1, +-1, 0 to 5"),
        (Leaf("a", (2,), [0, -np.inf], np.inf, np.float32), "from 0, any"),
        (Leaf("a", (1,), -np.inf, 0, np.float32), "up to 0"),
        (Leaf("a", (1,), -3.4e38, 3.4e38, np.float32), ""),
        (Leaf("a", (5,), [0, 1, 2, 3, 4], 9, np.float32), "0 to 9"),
        (Leaf("a", (0,), 0, 1, np.float32), ""),
        (Leaf("a", (1,), 0, 1, np.bool_), ""),
    ],
)
def test_limits_in_words(leaf, text):
    assert describe_limits(leaf) == text


def test_a_table_keeps_to_the_width_and_leaves_out_empty_columns():
    rows = [("a", "", "1", "some words that are long enough to be wrapped"), ("bcd", "", "22", "few")]
    assert list(text_table(("x", "y", "z", "w"), {"": rows}, 40, right=(2,))) == [
        "  x     z  w",
        "  a     1  some words that are long",
        "           enough to be wrapped",
        "  bcd  22  few",
    ]
    assert list(text_table((), {"t": rows}, 30))[:3] == ["t", "  a    1", "      some words that are long enough to"]


def test_paragraphs_are_wrapped_and_blocks_are_not():
    text = "One\ntwo.\n\n* a\n* b\n\n    muse collect   x\n"
    one, items, block = paragraphs_of(text)
    assert wrapped(one, 40, "  ") == ["  One two."]
    assert wrapped(items, 40) == ["* a", "* b"]
    assert wrapped(block, 40, "  ") == ["      muse collect   x"]


def test_what_is_missing_is_told_with_the_extra(monkeypatch, here):
    class Robot(PointMassEnv):
        fingerprint_packages = ("no-such-package", "pymunk")

    world = World("robot", "", "", AttrDict(cls=Robot))
    assert world.need.extra == "pymunk" and world.need.missing[0] == "no-such-package"
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[pymunk\]'"):
        world.check_installed()
    with pytest.raises(OptionError):
        load_world("no_world")


def test_a_real_robot_is_told_of_and_left_alone(here, tmp_path, capsys):
    world = load_world("polymetis_panda")
    assert world.cls.is_physical and not load_world("polymetis_panda_sim").cls.is_physical
    assert "![" not in make_section(world, {}) and "`joint_positions`" in make_section(world, {})
    if world.need.missing:
        assert main(["envs", "--picture", str(tmp_path / "a.png"), "polymetis_panda"]) == 1
        assert "docs/real-robot.md" in capsys.readouterr().err
