"""Each sentence of check_policy, drawn from a policy that deserves it."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.vector_env import VectorEnv
from muse.policies.policy import PolicyError
from muse.rollouts import RolloutLoop, run_episodes
from muse.testing import FakeEnv, FakeModel, FakePolicy, check_policy, policy_problems
from muse.testing.made_up import fake_env_spec
from muse.utils.attrdicts import flatten, nest

SPEC = fake_env_spec()


class Good(FakePolicy):
    """Keeps the contract; what follows breaks it in one place each."""

    def values(self, model, obs, goal):
        return flatten(FakePolicy.get_action(self, model, obs, goal))

    def get_action(self, model, obs, goal):
        return nest(self.values(model, obs, goal))


def broken(**methods):
    return type("Broken", (Good,), methods)


def changed(change):
    def values(self, model, obs, goal):
        return change(Good.values(self, model, obs, goal), self, obs)

    return broken(values=values)


def rolled(values, self, obs):
    return {"action": np.roll(values["action"], 1, axis=0)}


def counted(values, self, obs):
    self.count = getattr(self, "count", 0) + 1
    return {"action": values["action"] * 0 + np.float32(0.01 * self.count)}


def global_numpy(values, self, obs):
    np.random.random()
    return values


def writes(values, self, obs):
    obs["ego"][0] = 0.5
    return values


def kept(values, self, obs):
    if not hasattr(self, "array") or self.array.shape != values["action"].shape:
        self.array = values["action"]
    self.array[...] = values["action"]
    return {"action": self.array}


class ResetsAll(Good):
    def reset_policy(self, rows=None, seeds=None):
        super().reset_policy(rows, seeds)
        self.steps[:] = 0

    def values(self, model, obs, goal):
        return count_steps(self, super().values(model, obs, goal))


def count_steps(policy, values):
    return {"action": values["action"] * 0 + np.float32(0.01) * policy.steps[:, None].astype(np.float32)}


class NeverResets(Good):
    def reset_policy(self, rows=None, seeds=None):
        before = self.steps.copy()
        super().reset_policy(rows, seeds)
        if len(before) == len(self.steps) and rows is not None and not rows.all():
            self.steps = before

    def values(self, model, obs, goal):
        return count_steps(self, super().values(model, obs, goal))


BROKEN = {
    "get_action returned no 'action'.": changed(lambda values, self, obs: {}),
    "get_action returned 'action' of shape (3, 2, 1) instead of (3, 2).": changed(
        lambda values, self, obs: {"action": values["action"][..., None]}
    ),
    "get_action returned 'action' of float64; the spec says float32.": changed(
        lambda values, self, obs: {"action": values["action"].astype(np.float64)}
    ),
    "get_action returned 'action' with NaN or infinity; the spec says finite numbers.": changed(
        lambda values, self, obs: {"action": values["action"] * np.float32(np.nan)}
    ),
    "get_action returned 'action' with values from 2.0 to 2.0; the spec says within [-1.0, 1.0].": changed(
        lambda values, self, obs: {"action": np.full_like(values["action"], 2)}
    ),
    "A row acts differently in another place, or beside rows of other seeds. It was seen at step 0, in 'action'.": changed(rolled),
    "Reset with the same seeds, the policy acts differently the second time. It was seen at step 0, in 'action'.": changed(counted),
    "The policy draws from numpy's global generator; draw from one made of the row's seed.": changed(global_numpy),
    "get_action changed the observation or the goal that it was given.": changed(writes),
    "A returned action changed later; return a copy. It was seen at step 0, in 'action'.": changed(kept),
    "Resetting a row changed what another row does. It was seen at step 0, in 'action'.": ResetsAll,
    "A row that was reset does not act as a new one. It was seen at step 0, in 'action'.": NeverResets,
    "is_terminated returned bool; it must be a bool array (3,).": broken(is_terminated=lambda self, model, obs, goal: False),
    "get_action with 3 rows after 2 have begun was not refused.": broken(
        get_action=lambda self, model, obs, goal: nest({"action": np.zeros((len(obs["ego"]), 2), np.float32)})
    ),
    "get_action without a model was not refused.": broken(uses_model=True),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_policy_is_told_why(sentence):
    assert sentence in policy_problems(BROKEN[sentence], None, SPEC)


def test_a_good_policy_passes():
    check_policy(Good, None, SPEC)
    check_policy(Good(d(timeout=4), SPEC))


def test_the_message():
    with pytest.raises(PolicyError) as error:
        check_policy(BROKEN["is_terminated returned bool; it must be a bool array (3,)."], None, SPEC)
    assert str(error.value) == ("check_policy(Broken): 1 problem\n  - is_terminated returned bool; it must be a bool array (3,).")


def test_a_held_model_is_noticed():
    class Holds(Good):
        def values(self, model, obs, goal):
            self.model = model
            return super().values(model, obs, goal)

    problems = policy_problems(Holds, FakeModel(d(), SPEC), SPEC)
    assert problems == ["The policy holds the model, in model; it is given one at every call."]


def test_fake_policy_is_satisfied_by_the_loop():
    env = VectorEnv(d(num_envs=3), d(cls=FakeEnv, episode_length=4), FakeEnv(d(), make_spec()).env_spec)
    policy, goals = FakePolicy(d(timeout=3), env.env_spec), FakePolicy(d(), env.env_spec, is_goal=True)
    model = FakeModel(d(), env.env_spec)
    episodes = run_episodes(env, policy, model, list(range(7)), goal_policy=goals)
    again = run_episodes(
        VectorEnv(d(), d(cls=FakeEnv, episode_length=4), env.env_spec), policy, model, list(range(7)), goal_policy=goals
    )
    assert [len(episode) for episode in episodes] == [3] * 7
    for one, other in zip(episodes, again, strict=True):
        np.testing.assert_array_equal(one.inputs["action"], other.inputs["action"])


def make_spec():
    from muse.envs.env import make_env_spec

    return make_env_spec(FakeEnv)


OBS = {"ego": np.zeros((2, 1, 2), np.float32), "objects/position": np.zeros((2, 1, 2, 3), np.float32)}
COMPLAINTS = {
    "no row has begun; expected reset_policy before it": (None, OBS, {}),
    "obs: 'ego': missing; expected all of ego, objects/position": ([1, 1], {"objects/position": OBS["objects/position"]}, {}),
    "obs: 'ego': float64 of shape (2, 1, 2); expected float32 of shape (2, 1, 2)": (
        [1, 1], {**OBS, "ego": OBS["ego"].astype(float)}, {}
    ),
    "obs: 'ego': NaN or infinity; expected finite numbers": ([1, 1], {**OBS, "ego": OBS["ego"] + np.float32(np.inf)}, {}),
    "obs: 'reward': not for policies; expected some of ego, objects/position": (
        [1, 1], {**OBS, "reward": np.zeros((2, 1, 1), np.float32)}, {}
    ),
    "goal: 'ego': not for policies; expected some of none": ([1, 1], OBS, {"ego": OBS["ego"]}),
    "obs: 'ego': float32 of shape (2, 1, 2); expected float32 of shape (1, 1, 2)": ([1], OBS, {}),
}  # fmt: skip


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_fake_policy_complains(complaint):
    rows, obs, goal = COMPLAINTS[complaint]
    policy = FakePolicy(d(), SPEC)
    if rows is not None:
        policy.reset_policy(np.array(rows, dtype=bool), None)
    with pytest.raises(PolicyError) as error:
        policy.get_action(None, obs, goal)
    assert str(error.value).removeprefix("FakePolicy.get_action").removeprefix(", ").removeprefix(": ") == complaint


@pytest.mark.parametrize(
    ("rows", "seeds", "message"),
    [
        ([1, 1], [3], "1 seeds for 2 rows; expected one seed for each row that begins"),
        ([1, 0], [3], "2 rows, some of them false; expected 0 rows, or all of them true"),
        ([1, 1], [3, "x"], "the seed 'x'; expected an int, or None"),
    ],
)
def test_fake_policy_complains_of_a_reset(rows, seeds, message):
    with pytest.raises(PolicyError) as error:
        FakePolicy(d(), SPEC).reset_policy(np.array(rows, dtype=bool), seeds)
    assert str(error.value) == f"FakePolicy.reset_policy: {message}"


def test_fake_policy_can_need_a_model():
    env = VectorEnv(d(), d(cls=FakeEnv), make_spec())
    loop = RolloutLoop(env, FakePolicy(d(needs_model=True), env.env_spec))
    loop.start([0])
    with pytest.raises(PolicyError, match="expected a Model"):
        loop.step()
