"""Which action is given when, with a server whose answers come when the test says so, and with a real one."""

import threading
from concurrent.futures import Executor, Future

import numpy as np
import pytest
from served import SPEC, draw_obs, make_model, make_policy

from muse.serving.chunk_executor import ChunkExecutor
from muse.serving.client import LateAnswerError, PolicyClient
from muse.serving.protocol import ServingError
from muse.serving.server import PolicyServer


class Planner(Executor):
    """Client and pool in one: answers the observation `t` with the actions `100 t + (0, 1, 2, ...)`, when it is told to."""

    def __init__(self, length, at_once=True):
        self.length, self.at_once = length, at_once
        self.asked, self.waiting, self.seeds = [], [], []

    def reset(self, seed=None):
        self.seeds.append(seed)

    def get_action_chunk(self, obs, goal):
        return {"action": 100 * obs["t"] + np.arange(self.length)}

    def submit(self, fn, obs, goal):
        self.asked.append(int(obs["t"]))
        future = Future()
        self.waiting.append((future, obs, goal))
        if self.at_once:
            self.answer()
        return future

    def answer(self, error=None):
        future, obs, goal = self.waiting.pop(0)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(self.get_action_chunk(obs, goal))

    def shutdown(self, wait=True):
        pass


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def make(length=4, at_once=True, **options):
    planner = Planner(length, at_once)
    executor = ChunkExecutor(planner, pool=planner, **options)
    executor.reset(seed=7)
    return planner, executor


def act(executor, step):
    return int(executor.get_action({"t": np.array(step)})["action"])


def test_chunks_that_come_at_once_follow_one_another():
    planner, executor = make(threshold=0.0)
    assert [act(executor, t) for t in range(8)] == [0, 1, 2, 3, 301, 302, 303, 601]
    assert planner.asked == [0, 3, 6] and planner.seeds == [7]
    assert str(executor.counts) == "8 steps, 3 chunks, 0 waited, 0 held, 2 dropped"


def test_the_threshold_says_when_the_next_is_asked_for():
    for threshold, asked in ((1.0, list(range(8))), (0.5, [0, 3, 6]), (0.25, [0, 5]), (0.0, [0, 7])):
        planner, executor = make(length=8, threshold=threshold)
        for t in range(8):
            act(executor, t)
        assert planner.asked == asked, threshold


def test_actions_whose_time_has_passed_are_dropped():
    planner, executor = make(threshold=0.5, at_once=False)
    planner.at_once = True
    assert act(executor, 0) == 0
    planner.at_once = False
    assert act(executor, 1) == 1 and planner.asked == [0, 1]
    assert act(executor, 2) == 2
    planner.answer()
    # It was asked for at step 1: at step 3 its third action is due.
    assert act(executor, 3) == 102 and executor.counts.dropped == 2


def test_two_actions_at_a_time():
    planner, executor = make(length=2, threshold=0.5)
    assert [act(executor, t) for t in range(5)] == [0, 1, 101, 201, 301]
    assert planner.asked == [0, 1, 2, 3, 4]


def late(planner, executor):
    """Brings the executor to step 4 with a chunk asked for at step 1 on its way."""
    planner.at_once = True
    act(executor, 0)
    planner.at_once = False
    for t in range(1, 4):
        assert act(executor, t) == t
    assert planner.asked == [0, 1]


def test_waiting():
    planner, executor = make(when_late="wait")
    late(planner, executor)
    timer = threading.Timer(0.05, planner.answer)
    timer.start()
    assert act(executor, 4) == 103
    timer.join()
    assert executor.counts.waited == 1 and executor.counts.held == 0


def test_waiting_for_a_chunk_that_is_all_too_late():
    planner, executor = make(when_late="hold")
    late(planner, executor)
    assert [act(executor, t) for t in (4, 5)] == [3, 3]
    executor.when_late = "wait"
    planner.answer()
    planner.at_once = True
    # The answer to step 1 ends with step 4, so at step 6 another is asked for.
    assert act(executor, 6) == 600 and planner.asked == [0, 1, 6] and executor.counts.dropped == 4


def test_waiting_ends():
    planner, executor = make(when_late="wait", timeout=0.01)
    late(planner, executor)
    with pytest.raises(LateAnswerError, match="step 4: no action for 0.01 s"):
        act(executor, 4)
    with pytest.raises(LateAnswerError):
        executor.reset()
    planner.answer()
    executor.reset(seed=8)
    planner.at_once = True
    assert act(executor, 0) == 0 and planner.seeds == [7, 8] and executor.counts.steps == 1


def test_holding():
    clock = Clock()
    planner, executor = make(when_late="hold", timeout=1.0, clock=clock)
    late(planner, executor)
    assert [act(executor, t) for t in (4, 5)] == [3, 3]
    clock.now = 0.9
    assert act(executor, 6) == 3 and executor.counts.held == 3 and executor.counts.waited == 0
    planner.answer()
    assert act(executor, 7) == 3 and planner.asked == [0, 1, 7]
    planner.answer()
    assert act(executor, 8) == 701
    clock.now = 10.0
    assert act(executor, 9) == 702


def test_holding_ends_also_when_every_chunk_comes_too_late():
    clock = Clock()
    planner, executor = make(when_late="hold", timeout=1.0, clock=clock)
    late(planner, executor)
    for t in range(4, 24, 5):
        clock.now += 0.3
        for step in range(t, t + 5):
            if clock.now <= 1.3:
                assert act(executor, step) == 3
        planner.answer()
    with pytest.raises(LateAnswerError, match="no action for 1 s"):
        clock.now = 2.0
        act(executor, 24)


def test_one_action_at_a_time_is_asked_for_at_every_step():
    for when_late in ("wait", "hold"):
        planner, executor = make(length=1, when_late=when_late)
        assert [act(executor, t) for t in range(3)] == [0, 100, 200]
        assert planner.asked == [0, 1, 2] and str(executor.counts) == "3 steps, 3 chunks, 0 waited, 0 held, 0 dropped"


def test_what_went_wrong_in_the_background_is_raised_at_the_next_step():
    planner, executor = make()
    late(planner, executor)
    planner.answer(ServingError("server", "gone"))
    with pytest.raises(ServingError, match="server: gone"):
        act(executor, 4)
    planner.at_once = True
    assert act(executor, 4) == 400


def test_what_is_given_and_taken_belongs_to_the_caller():
    planner, executor = make(threshold=1.0)
    t = np.array(0)
    executor.get_action({"t": t})["action"] += 50
    planner.at_once = False
    t += 1
    action = executor.get_action({"t": t})
    assert action["action"] == 1
    action["action"] += 50
    t[...] = 9
    assert planner.waiting[0][1]["t"] == 1
    assert executor._last["action"] == 1


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"timeout": 0.0}, {"when_late": "skip"}])
def test_options_out_of_range(options):
    with pytest.raises(ServingError, match=f"ChunkExecutor: {next(iter(options))}"):
        ChunkExecutor(None, **options)


def test_a_real_server_of_chunks():
    model = make_model(chunk=5)
    with (
        PolicyServer(make_policy, model, SPEC) as server,
        PolicyClient(port=int(server.listen(port=0).split(":")[1])) as client,
        ChunkExecutor(client, threshold=0.0) as executor,
    ):
        for _ in range(2):
            executor.reset(seed=0)
            client_of = make_policy()
            client_of.reset_policy(np.ones(1, bool), [0])
            given = [executor.get_action(draw_obs(t))["action"] for t in range(5)]
            chunk = client_of.get_action_chunk(model, {k: v[None, None] for k, v in draw_obs(0).items()}, {})["action"][0]
            assert np.array_equal(given, chunk)
            for t in range(5, 50):
                executor.get_action(draw_obs(t))
            assert executor.counts.steps == 50 and executor.counts.chunks >= 10
        # The other end goes while a chunk is on its way, or before the next: an error, no hanging thread.
        server.close()
        with pytest.raises(ServingError):
            for t in range(20):
                executor.get_action(draw_obs(t))
