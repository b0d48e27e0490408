"""The one loop that steps an env with a policy, what records it, and what is concluded from it."""

from muse.rollouts.evaluation import Evaluation, evaluate, load_evaluation, wilson_interval
from muse.rollouts.loop import RolloutLoop, rollout, run_episodes
from muse.rollouts.recorder import Recorder

__all__ = ["Evaluation", "Recorder", "RolloutLoop", "evaluate", "load_evaluation", "rollout", "run_episodes", "wilson_interval"]
