"""RobosuiteEnv against its contract, against robosuite's own step, and against independent geometry."""

import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_drawing, needs_robosuite
from playing import assert_same_rows

from muse.envs.env import EnvError, default_env_params, make, make_env_spec
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.robosuite.simulation import Simulation, import_robosuite, order_object_names
from muse.envs.robosuite.sizes import EXTRA_OBSERVATIONS, _look_up, sizes_of
from muse.envs.robosuite.tasks import TASKS
from muse.envs.teleop import TeleopInput
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.errors import MissingExtraError

pytestmark = needs_robosuite

#: Down, then aside with the gripper closing.
ACTIONS = [
    np.array([[0.3, 0.5, -0.8, 0.1, -0.2, 0.4, -1.0]], np.float32),
    np.array([[-0.2, 0.9, 0.0, 0.0, 0.3, -0.4, 1.0]], np.float32),
]


@pytest.fixture(scope="module")
def env():
    env = make(RobosuiteEnv, d(num_steps=30))
    yield env
    env.close()


def play(env, steps, begin=0):
    rows = []
    for t in range(begin, begin + steps):
        obs, _, done = env.step(d(action=ACTIONS[t // 5 % 2]))
        rows.append({**flatten(obs), "done": done})
    return rows


def first_row(obs):
    return {name: value[0] for name, value in flatten(obs).items()}


def check_task(name):
    with_objects = bool(TASKS[name].objects)
    start = make(RobosuiteEnv, d(env_name=name))
    state = start.reset(seed=5)[0]["initial_state"][0]
    start.close()
    check_env(
        RobosuiteEnv, d(env_name=name, num_steps=12, parse_objects=with_objects), presets=[d(initial_state=state)], steps=15
    )


@pytest.mark.parametrize("name", ["NutAssemblySquare", "Door"])
def test_a_task_keeps_the_contract(name):
    check_task(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("NutAssemblySquare", "Door")])
def test_every_other_named_task_keeps_the_contract(name):
    check_task(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_sizes_that_are_known_are_those_of_the_task(name):
    known = sizes_of(default_env_params(RobosuiteEnv, {"env_name": name}))
    found = _look_up(name, ("Panda",), None)
    parts = [(one.object, one.num_objects, one.state, one.action_limits) for one in (known, found)]
    assert parts[0] == parts[1]
    assert {key: found.robot[key] for key in known.robot} == known.robot


@pytest.mark.slow
@pytest.mark.parametrize(("task", "robot"), [("Wipe", "Panda"), ("Lift", "UR5e"), ("TwoArmLift", "Baxter")])
def test_other_tasks_and_robots(task, robot):
    env = make(RobosuiteEnv, d(env_name=task, robots=[robot], num_steps=3))
    check_env(env, steps=4)
    env.close()


@pytest.mark.slow
def test_a_task_that_is_not_in_the_table_and_two_arms():
    env = make(RobosuiteEnv, d(env_name="TwoArmLift", robots=["Panda", "Panda"], num_steps=3))
    assert env.env_spec.leaf("action").shape == (14,) and "robot1_eef_pos" in env.env_spec.observation_names
    check_env(env, steps=4)
    env.close()


def test_the_spec_says_what_the_numbers_mean_without_building_anything():
    spec = make_env_spec(RobosuiteEnv, d())
    assert spec.observation_names == ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
    assert [spec.leaf(name).shape for name in spec.observation_names] == [(3,), (4,), (2,), (14,)]
    action = spec.leaf("action")
    assert action.shape == (7,) and action.low.min() == -1 and action.high.max() == 1
    for word in ("base frame", "0.05 m", "0.5 rad", "OSC_POSE", "above 0 closes"):
        assert word in action.description
    assert spec.leaf("robot0_eef_pos").unit == "m" and "world frame" in spec.leaf("robot0_eef_pos").description
    assert type(spec).from_dict(spec.to_dict()) == spec


def test_object_is_the_nut_in_the_world_and_seen_from_the_hand(env):
    from scipy.spatial.transform import Rotation

    obs, _ = env.reset(seed=2)
    obs, _, _ = env.step(d(action=ACTIONS[0]))
    nut, quat, seen, seen_quat = np.split(obs["object"][0].astype(np.float64), [3, 7, 10])
    hand, turn = obs["robot0_eef_pos"][0], Rotation.from_quat(obs["robot0_eef_quat"][0])
    # robosuite's convention (1.0 to 1.5): the world's pose in the hand's frame times the nut's pose.
    np.testing.assert_allclose(turn.inv().apply(nut - hand), seen, atol=1e-5)
    between = (turn.inv() * Rotation.from_quat(quat)).inv() * Rotation.from_quat(seen_quat)
    assert between.magnitude() < 1e-5


def test_a_person_drives_the_hand_to_a_place_and_closes_the_gripper():
    from scipy.spatial.transform import Rotation

    env = make(RobosuiteEnv, d(env_name="Lift"))
    with pytest.raises(EnvError, match=r"RobosuiteEnv\(Lift\).get_teleop_action: no episode is running"):
        env.get_teleop_action(TeleopInput())
    seen = first_row(env.reset(seed=0)[0])
    place = seen["robot0_eef_pos"] + [0.08, -0.1, -0.05]
    for _ in range(60):
        way = 5.0 * (place - seen["robot0_eef_pos"]) / env.default_teleop_speed
        seen = first_row(env.step(env.get_teleop_action(TeleopInput((*way, 0.0, 0.0, 0.0), 0.0)))[0])
    np.testing.assert_allclose(seen["robot0_eef_pos"], place, atol=3e-3)
    gap, quat = np.ptp(seen["robot0_gripper_qpos"]), seen["robot0_eef_quat"]
    for _ in range(20):
        seen = first_row(env.step(env.get_teleop_action(TeleopInput((0.0,) * 5 + (0.5,), 1.0)))[0])
    assert np.ptp(seen["robot0_gripper_qpos"]) < 0.01 < 0.07 < gap
    # Half of the turn speed for a second, about the world's z.
    turned = Rotation.from_quat(seen["robot0_eef_quat"]) * Rotation.from_quat(quat).inv()
    np.testing.assert_allclose(turned.as_rotvec(), [0, 0, 0.5], atol=0.1)
    env.close()


def test_the_hand_is_driven_at_the_speed_of_the_option():
    env = make(RobosuiteEnv, d(env_name="Lift", default_teleop_speed=0.1))
    env.reset(seed=0)
    rows = [first_row(env.step(env.get_teleop_action(TeleopInput((1.0, -0.5, 0.0, 0.0, 0.0, 0.0))))[0]) for _ in range(24)]
    np.testing.assert_allclose(rows[-1]["robot0_eef_pos"] - rows[3]["robot0_eef_pos"], [0.1, -0.05, 0], atol=0.01)
    np.testing.assert_array_equal(
        env.get_teleop_action(TeleopInput((9.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.5))["action"][0, 3:], [0] * 4
    )
    env.close()
    fast = make(RobosuiteEnv, d(env_name="Lift", default_teleop_speed=9.0))
    fast.reset(seed=0)
    np.testing.assert_array_equal(
        fast.get_teleop_action(TeleopInput((-1.0,) * 6))["action"], [[-1, -1, -1, -0.5, -0.5, -0.5, -1]]
    )
    fast.close()


def test_two_hands_cannot_be_driven():
    env = make(RobosuiteEnv, d(env_name="TwoArmLift", robots=["Panda", "Panda"]))
    env.reset(seed=0)
    assert env.teleop_inputs == () and RobosuiteEnv.teleop_inputs
    with pytest.raises(EnvError, match=r"RobosuiteEnv\(TwoArmLift\).get_teleop_action: no teleop_inputs"):
        env.get_teleop_action(TeleopInput())
    env.close()


def test_the_order_of_object_is_that_of_recorded_data():
    hang = [f"{a}{b}" for a in ("base", "frame", "tool") for b in ("_to_robot0_eef_pos", "_to_robot0_eef_quat", "_pos", "_quat")]
    assert order_object_names([*hang, "frame_is_assembled"])[:5] == [
        "base_pos", "base_quat", "base_to_robot0_eef_pos", "base_to_robot0_eef_quat", "frame_pos",
    ]  # fmt: skip
    stack = ["cubeA_pos", "cubeA_quat", "cubeB_pos", "cubeB_quat", "cubeA_to_cubeB", "gripper_to_cubeA", "gripper_to_cubeB"]
    assert order_object_names(stack) == [*stack[:4], "gripper_to_cubeA", "gripper_to_cubeB", "cubeA_to_cubeB"]


def test_a_step_is_robosuites_own(env):
    """The same trajectory as robosuite with its observables on, from the same state."""
    theirs = Simulation("NutAssemblySquare")
    del theirs.env._update_observables, theirs.env._get_observations
    state = env.reset(seed=3)[0]["initial_state"][0]
    theirs.start(state)
    for t in range(12):
        env.step(d(action=ACTIONS[t // 5 % 2]))
        theirs.env.step(ACTIONS[t // 5 % 2][0])
        np.testing.assert_array_equal(theirs.get_state(), env._simulation.get_state())


def test_an_episode_is_played_again_from_its_initial_state(env):
    state = env.reset(seed=4)[0]["initial_state"][0]
    rows = play(env, 12)
    play_others = env.reset(seed=9)
    assert play_others is not None
    play(env, 3)
    again, _ = env.reset(presets=d(initial_state=state), seed=10)
    np.testing.assert_array_equal(again["initial_state"][0], state)
    assert_same_rows(rows, play(env, 12))
    assert RobosuiteEnv.get_start({}, {"initial_state": state}) == {"initial_state": state}
    assert RobosuiteEnv.get_start({}, {"states": 1}) == {"initial_state": 1} and RobosuiteEnv.get_start({}, {}) is None


def test_a_saved_state_goes_on_exactly_here_and_elsewhere(env):
    params = d(num_steps=30, pos_noise_std=0.1, ori_noise_std=0.1)
    one, other = (make(RobosuiteEnv, params) for _ in range(2))
    one.reset(seed=6)
    play(one, 7)
    saved, before = one.get_state(), flatten(one._observe())
    rows = play(one, 12, begin=7)
    for each in (one, other):
        other.reset(seed=1)
        obs, _ = each.set_state(saved)
        for name, value in before.items():
            np.testing.assert_array_equal(obs[name], value)
        assert_same_rows(rows, play(each, 12, begin=7))
    for wrong, message in (({}, "'physics': missing"), ({**saved, "physics": np.zeros(3)}, "'physics': 3 values; expected")):
        with pytest.raises(EnvError, match=message):
            one.set_state(wrong)
    one.close(), other.close()


def test_presets_place_the_nut(env):
    turn = np.array([0.0, 0.0, np.sin(0.4), np.cos(0.4)])
    obs, _ = env.reset(presets=d.from_dict({"objects/position": [[-0.1, 0.2, 0.83]], "objects/orientation": [2 * turn]}), seed=0)
    np.testing.assert_allclose(obs["object"][0, :7], [-0.1, 0.2, 0.83, *turn], atol=1e-6)
    with pytest.raises(EnvError, match=r"preset 'objects/position': shape \(3,\); expected finite numbers of shape \(1, 3\)"):
        env.reset(presets=d.from_dict({"objects/position": [0.0, 0.0, 0.0]}))
    for presets, message in (
        ({"initial_sate": 0}, "did you mean 'initial_state'"),
        ({"objects/orientation": [[0.0] * 4]}, "a quaternion of zeros"),
        ({"objects/position": "here"}, "a str; expected finite numbers"),
        (
            {"initial_state": np.zeros(45), "objects/position": np.zeros((1, 3))},
            "'initial_state' and 'objects/position'; expected one",
        ),
    ):
        with pytest.raises(EnvError, match=message):
            env.reset(presets=d.from_dict(presets))


def test_the_sweep_is_a_grid_of_fifty_starts(env):
    assert RobosuiteEnv.get_presets(default_env_params(RobosuiteEnv, {})) is None
    params = default_env_params(RobosuiteEnv, {"enable_preset_sweep": True})
    starts = RobosuiteEnv.get_presets(params)
    assert len(starts) == 50
    positions = np.array([start["objects/position"][0] for start in starts])
    assert positions[:, 1].min() == pytest.approx(0.11) and positions[:, 1].max() == pytest.approx(0.225)
    obs, _ = env.reset(presets=starts[13], seed=0)
    np.testing.assert_allclose(obs["object"][0, :3], positions[13], atol=1e-6)
    with pytest.raises(EnvError, match="no grid of starts for this task"):
        RobosuiteEnv.get_presets({**params, "env_name": "Lift"})


def test_episodes_end_with_success_or_the_limit():
    lift = make(RobosuiteEnv, d(env_name="Lift", num_steps=4))
    high = d.from_dict({"objects/position": [[0.0, 0.0, 1.2]]})
    lift.reset(presets=high, seed=0)
    obs, _, done = lift.step(d(action=np.zeros((1, 7))))
    assert done[0] and lift.is_success() and obs["reward"][0, 0] == 1 and not obs["truncated"][0, 0]
    lift.reset(seed=0)
    outcomes = [lift.step(d(action=np.zeros((1, 7)))) for _ in range(4)]
    assert [done[0] for *_, done in outcomes] == [False, False, False, True]
    assert outcomes[-1][0]["truncated"][0, 0] and outcomes[-1][0]["reward"][0, 0] == 0 and not lift.is_success()
    lift.close()
    on = make(RobosuiteEnv, d(env_name="Lift", num_steps=4, done_on_success=False, reward_shaping=True))
    on.reset(presets=high, seed=0)
    obs, _, done = on.step(d(action=np.zeros((1, 7))))
    assert not done[0] and on.is_success() and obs["reward"][0, 0] > 0
    on.close()


def test_more_of_the_robot_and_objects_one_by_one():
    from scipy.spatial.transform import Rotation

    env = make(RobosuiteEnv, d(env_name="Stack", parse_objects=True, extra_observations=list(EXTRA_OBSERVATIONS), num_steps=30))
    obs, _ = env.reset(seed=0)
    before = obs["robot0_eef_pos"][0].astype(np.float64)
    for _ in range(3):
        last, before = before, obs["robot0_eef_pos"][0].astype(np.float64)
        obs, _, _ = env.step(d(action=np.array([[1.0, 0, 0, 0, 0, 0, -1]])))
    assert obs["objects/position"].shape == (1, 2, 3) and obs["objects/orientation"].shape == (1, 2, 4)
    np.testing.assert_array_equal(obs["objects/position"][0, 0], obs["object"][0, :3])
    np.testing.assert_allclose(np.cos(obs["robot0_joint_pos"]), obs["robot0_joint_pos_cos"], atol=1e-6)
    np.testing.assert_allclose(
        Rotation.from_euler("xyz", obs["robot0_eef_eul"][0]).as_matrix(),
        Rotation.from_quat(obs["robot0_eef_quat"][0]).as_matrix(), atol=1e-5,
    )  # fmt: skip
    # The velocity lies between those over this step and over the one before.
    now = obs["robot0_eef_pos"][0].astype(np.float64)
    assert 0.5 * (before - last)[0] / 0.05 < obs["robot0_eef_vel_lin"][0, 0] < 2 * (now - before)[0] / 0.05
    env.close()


@needs_drawing
def test_pictures_show_the_scene():
    env = make(RobosuiteEnv, d(imgs=True, ego_imgs=True, img_width=64, img_height=48, render_size=96))
    obs, _ = env.reset(seed=0)
    image, ego = obs["image"][0], obs["ego_image"][0]
    assert image.shape == ego.shape == (48, 64, 3) and image.dtype == np.uint8
    assert image.std() > 10 and ego.std() > 10 and not np.array_equal(image, ego)
    picture = env.render()
    assert picture.shape == (96, 96, 3)
    play(env, 10)
    assert not np.array_equal(picture, env.render())
    # Seen by agentview the robot is at the top, before a white table: the picture is not upside down.
    assert picture[60:].mean() > picture[:20].mean()
    env.offscreen_camera_name = "agentveiw"
    with pytest.raises(EnvError, match="no camera 'agentveiw' .did you mean 'agentview'"):
        env.render()
    env.close()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"env_name": "NutAssemblySqare"}, "no task 'NutAssemblySqare' .did you mean 'NutAssemblySquare'"),
        ({"robots": "Panda"}, r"robots: 'Panda'; expected a list, \['Panda'\]"),
        ({"robots": ["Pandda"]}, "no robot 'Pandda' .did you mean 'Panda'"),
        ({"robots": []}, "robots: none; expected one for each arm"),
        ({"env_name": "TwoArmLift"}, "robosuite cannot build it with Panda .ValueError"),
        ({"env_name": "PickPlaceSingle"}, "no task 'PickPlaceSingle'"),
        ({"preset_sweep_pos": 0}, "preset_sweep_pos: 0; expected at least 1"),
        ({"controller": "nothing.json"}, "a composite controller of robosuite"),
        ({"num_steps": 0}, "num_steps: 0; expected at least 1"),
        ({"pos_noise_std": -1.0}, "pos_noise_std: -1.0; expected at least 0"),
        ({"extra_observations": ["robot0_joint_vell"]}, "no observation 'robot0_joint_vell' .did you mean 'robot0_joint_vel'"),
        ({"env_name": "Door", "parse_objects": True}, "the task has no free objects"),
    ],
)
def test_what_cannot_be_says_why(params, message):
    with pytest.raises(EnvError, match=message):
        make(RobosuiteEnv, d(params))


def test_a_python_that_is_too_new_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(MissingExtraError, match=r"try: pip install -e '.\[robosuite\]'"):
        import_robosuite("RobosuiteEnv")
    monkeypatch.setattr(sys, "version_info", (3, 13))
    with pytest.raises(MissingExtraError, match="expected Python 3.10 to 3.12"):
        import_robosuite("RobosuiteEnv")
