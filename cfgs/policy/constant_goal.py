"""A goal policy: the goals that `goal` names, the rest those of the env; all of them the env's as it stands here."""

from attrdict import AttrDict as d

from muse.policies.goal_policies import ConstantGoalPolicy

export = d(
    cls=ConstantGoalPolicy,
    goal=None,
    timeout=0,
)
