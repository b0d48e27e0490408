"""The experts of worlds of blocks: their geometry, and that they solve what they are for."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from needs import needs_pymunk

from configs.helpers import load_base_config
from muse.envs.env import make_env_spec
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.policies.policy import PolicyError
from muse.policies.pymunk.planning import gap_between, half_extents, next_waypoint
from muse.policies.pymunk.push_block import CarryBlockExpert
from muse.rollouts.loop import rollout
from muse.utils.abstract import build

#: World -> its expert, by their recipes.
WORLDS = {
    name: f"{name}_expert"
    for name in ("push_block", "carry_block", "maze", "bottlenecks", "stack_blocks", "arrange_blocks", "slider", "push_t")
}
numbers = st.floats(0, 100)
points = st.tuples(numbers, numbers).map(np.array)
LOW, HIGH = np.zeros(2), np.full(2, 100.0)


def is_inside(point, box, margin=1e-3):
    return bool(np.all(point > box[0] + margin) and np.all(point < box[1] - margin))


@given(points, points, st.lists(st.tuples(points, st.floats(3, 15)), max_size=3))
def test_waypoints_lead_round_boxes(start, goal, squares):
    boxes = [(middle - half, middle + half) for middle, half in squares]
    if any(is_inside(start, box, -1.0) or is_inside(goal, box, -1.0) for box in boxes):
        return
    place, before = start, []
    for _ in range(20):
        before.append(place)
        place = next_waypoint(place, goal, boxes, LOW, HIGH)
        between = before[-1] + np.linspace(0, 1, 50)[:, None] * (place - before[-1])
        if not np.array_equal(place, goal):
            assert not any(is_inside(point, box) for point in between for box in boxes)
        else:
            break
    assert np.array_equal(place, goal)


def test_a_start_inside_a_box_goes_out_by_the_nearest_side():
    box = (np.array([40.0, 40.0]), np.array([60.0, 60.0]))
    np.testing.assert_allclose(next_waypoint(np.array([57.0, 50.0]), np.array([0.0, 50.0]), [box], LOW, HIGH), [61, 50])
    # Not where there is a wall.
    box = (np.array([90.0, 40.0]), np.array([110.0, 60.0]))
    np.testing.assert_allclose(next_waypoint(np.array([99.0, 50.0]), np.array([0.0, 50.0]), [box], LOW, HIGH), [89, 50])


@given(st.floats(-4, 4), st.floats(5, 50), st.floats(5, 50))
def test_the_upright_box_around_a_block(angle, width, height):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * [width, height] @ turn.T
    np.testing.assert_allclose(half_extents(np.array([width, height]), angle), corners.max(0), atol=1e-6)


@needs_pymunk
@given(st.tuples(st.floats(-80, 80), st.floats(-80, 80)), st.floats(-4, 4))
def test_gaps_are_those_of_pymunk(offset, angle):
    import pymunk

    if max(abs(offset[0]), abs(offset[1])) < 54:
        return  # They may overlap.
    # Grown by half the gap each, they all but touch.
    gap = gap_between(np.zeros(2), 40.0, np.array(offset), np.array([30.0, 60.0]), angle)
    for radius, touches in ((0.49 * gap, False), (0.51 * gap + 0.01, True)):
        space = pymunk.Space()
        bodies = [pymunk.Body(1, 1) for _ in range(2)]
        bodies[1].position, bodies[1].angle = offset, angle
        shapes = [pymunk.Poly.create_box(body, size, radius) for body, size in zip(bodies, ((40, 40), (30, 60)), strict=True)]
        space.add(bodies[1], shapes[1])
        assert bool(space.shape_query(shapes[0])) is touches


def test_an_expert_of_another_world_says_so():
    with pytest.raises(PolicyError, match="CarryBlockExpert: no 'goal_block_angles' in the spec; expected 'goal_block_angles'"):
        CarryBlockExpert(d(), make_env_spec(PushBlockEnv2D))


def assemble(world, **options):
    env_group, _ = load_base_config(f"cfgs/env/{world}.py", [])
    policy_group, _ = load_base_config(f"cfgs/policy/{WORLDS[world]}.py", [])
    spec = make_env_spec(env_group["cls"], env_group)
    return build(env_group, spec, where="env"), build({**policy_group, **options}, spec, where="policy")


@needs_pymunk
@pytest.mark.parametrize("world", WORLDS)
def test_an_expert_solves_its_world(world):
    for options, episodes in (({"action_noise_std": 0.0}, 10), ({"action_noise_std": 0.2}, 6)):
        env, policy = assemble(world, **options)
        solved = [rollout(env, policy, seed=seed).success for seed in range(episodes)]
        assert np.mean(solved) > 0.8


@needs_pymunk
@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_an_expert_solves_nearly_all_resets(world):
    env, policy = assemble(world)
    assert np.mean([rollout(env, policy, seed=seed).success for seed in range(200)]) >= 0.95
