"""Pictures beside robosuite's own, of several envs in a process, and over many resets."""

import gc
import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_drawing, needs_robosuite

from muse.envs.env import EnvError, default_env_params, make
from muse.envs.robosuite import drawing
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.experiments.provenance import env_fingerprint, fingerprint_differences

pytestmark = [
    needs_robosuite,
    needs_drawing,
]
PICTURES = d(imgs=True, ego_imgs=True, num_steps=500)


@pytest.fixture(scope="module")
def square():
    env = make(RobosuiteEnv, PICTURES)
    env.reset(seed=0)
    yield env
    env.close()


@pytest.fixture(scope="module")
def lift():
    env = make(RobosuiteEnv, PICTURES & d(env_name="Lift"))
    env.reset(seed=0)
    yield env
    env.close()


def walk(env, steps, seed=0):
    """Yields what the env shows along a random walk."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        obs, _, _ = env.step(d(action=rng.uniform(-1, 1, (1, 7)).astype(np.float32)))
        yield obs


def draw_by_robosuite(env, sizes):
    """Returns what robosuite's own renderer makes of the present state, the right way up, by camera and size."""
    from robosuite.utils.binding_utils import MjRenderContextOffscreen

    sim = env._simulation.env.sim
    context = MjRenderContextOffscreen(sim, device_id=-1)
    context.vopt.geomgroup[0], context.vopt.geomgroup[1] = 0, 1
    names = sim.model.camera_names
    # robosuite makes its context current once; ours may have been since.
    context.gl_ctx.make_current()
    pictures = {
        (name, size): sim.render(camera_name=name, height=size[0], width=size[1])[::-1] for name in names for size in sizes
    }
    sim._render_context_offscreen = None
    return pictures


@pytest.mark.parametrize("name", ["square", "lift"])
def test_pictures_are_those_of_robosuite(name, request):
    env = request.getfixturevalue(name)
    env.reset(seed=3)
    for _ in walk(env, 5):
        pass
    # To where cameras on the arm are after robosuite's `forward`.
    env.set_state(env.get_state())
    theirs = draw_by_robosuite(env, [(84, 84), (32, 700)] if name == "lift" else [(84, 84)])
    for (camera, size), picture in theirs.items():
        assert picture.std() > 5, camera
        np.testing.assert_array_equal(env._camera.draw(camera, *size), picture, err_msg=f"{camera} {size}")


def test_what_cannot_be_seen_is_left_out_unseen(square):
    """From anywhere, as if nothing had been left out."""
    import mujoco

    class Everything:
        def reduce(self, scene, data, aspect):
            pass

    simulation = square._simulation
    shown = square._camera._make_drawing()
    whole = square._camera._make_drawing()
    whole._sight = Everything()
    rng, left_out, without_mirror = np.random.default_rng(0), 0, 0
    for n, (height, width) in enumerate([(32, 32), (24, 40)] * 8):
        at, to = rng.uniform([-1.2, -1.2, 0.1], [1.2, 1.2, 2.0]), rng.uniform([-0.6, -0.5, 0.3], [0.5, 0.5, 1.4])
        if n == 0:  # The table fills the picture.
            at, to = np.array([0.0, 0.0, 1.2]), np.array([0.0, 0.0, 0.8])
        backward = (at - to) / np.linalg.norm(at - to)
        right = np.cross(rng.normal(size=3), backward)
        right /= np.linalg.norm(right)
        simulation.data.cam_xpos[0] = at
        simulation.data.cam_xmat[0] = np.stack([right, np.cross(backward, right), backward], axis=1).ravel()
        pictures = [one.draw(simulation.data, 0, height, width) for one in (shown, whole)]
        np.testing.assert_array_equal(*pictures)
        scene = shown._scene
        left_out += sum(shape.type == mujoco.mjtGeom.mjGEOM_NONE for shape in scene.geoms[: scene.ngeom])
        without_mirror += not scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION]
    assert left_out > 30 and without_mirror > 0
    shown.close()
    whole.close()


def test_envs_in_one_process_draw_what_they_draw_alone(square, lift):
    def start():
        return [env.reset(seed=1)[0] for env in (square, lift)]

    alone = []
    for env in (square, lift):
        env.reset(seed=1)
        alone.append([(obs["image"], obs["ego_image"]) for obs in walk(env, 4)])
    start()
    between = square.render()
    for n, both in enumerate(zip(walk(square, 4), walk(lift, 4), strict=True)):
        for rows, obs in zip(alone, both, strict=True):
            np.testing.assert_array_equal(rows[n][0], obs["image"])
            np.testing.assert_array_equal(rows[n][1], obs["ego_image"])
    # One that is closed takes nothing from another, and draws again when it is asked to.
    lift.close()
    start()
    np.testing.assert_array_equal(square.render(), between)


def test_there_is_one_context(square, lift, monkeypatch):
    square.render()
    monkeypatch.setattr(drawing.GraphicsContext, "__init__", None)
    lift.close()
    lift.render()


def test_a_picture_is_of_the_present_state(square):
    """Of cameras on the arm, too, which MuJoCo moves a substep late."""
    square.reset(seed=2)
    *_, obs = walk(square, 3)
    again, _ = square.set_state(square.get_state())
    np.testing.assert_array_equal(obs["ego_image"], again["ego_image"])
    np.testing.assert_array_equal(obs["image"], again["image"])


def test_without_reflections(square):
    square.reset(seed=0)
    with_them = square.render()
    square._camera.close()
    square._camera._reflections = False
    without = square.render()
    square._camera.close()
    square._camera._reflections = True
    differ = (with_them != without).any(axis=-1)
    assert 0 < differ.mean() < 0.1
    np.testing.assert_array_equal(with_them, square.render())


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def test_resets_keep_no_memory(lift):
    def reset(times):
        for seed in range(times):
            lift.reset(seed=seed)
        gc.collect()
        return resident()

    before = reset(20)
    assert reset(60) - before < 20


def test_closed_graphics_keep_no_memory(lift):
    def draw_anew(times):
        for _ in range(times):
            lift._camera.close()
            lift.render()
        gc.collect()
        return resident()

    before = draw_anew(5)
    assert draw_anew(10) - before < 100


def test_graphics_that_do_not_work_say_what_to_install(square, monkeypatch):
    square._camera.close()
    monkeypatch.setattr(drawing.GraphicsContext, "_of_process", None)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "nonsense")
    monkeypatch.delitem(sys.modules, "mujoco.egl", raising=False)
    with pytest.raises(EnvError, match="no off-screen graphics .ImportError(.|\n)*apt-get install libosmesa6"):
        square.render()


def test_the_look_of_pictures_matters_where_they_are_observed():
    def fingerprint(**params):
        return env_fingerprint(d(cls=RobosuiteEnv, **default_env_params(RobosuiteEnv, d(params))))

    look = d(
        img_width=32, img_height=32, offscreen_camera_name="frontview", offscreen_ego_camera_name="birdview", reflections=False
    )
    assert fingerprint_differences(fingerprint(), fingerprint(**look)) == []
    names = {line.split()[0] for line in fingerprint_differences(fingerprint(imgs=True), fingerprint(imgs=True, **look))}
    assert names == {"img_width", "img_height", "offscreen_camera_name", "reflections"}
    names = {line.split()[0] for line in fingerprint_differences(fingerprint(ego_imgs=True), fingerprint(ego_imgs=True, **look))}
    assert names == {"img_width", "img_height", "offscreen_ego_camera_name", "reflections"}
    # States of data with pictures serve an env without.
    assert fingerprint_differences(fingerprint(imgs=True), fingerprint(**look)) == []
