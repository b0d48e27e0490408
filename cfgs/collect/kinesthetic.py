"""Lead a Panda by hand, and let it repeat that by itself; without a robot, on the simulated one.

python scripts/collect_kinesthetic.py --max_eps 20 --save_file data/panda/shown.npz cfgs/collect/kinesthetic.py
"""

from attrdict import AttrDict as d

from cfgs.env import polymetis_panda
from muse.policies.kinesthetic_replay_policy import KinestheticReplayPolicy

export = d(
    seed=0,
    exp_name="collect/kinesthetic",
    env_train=polymetis_panda.export,
    # What repeats; the demonstration, and what the env's actions mean, are given to it.
    policy=d(cls=KinestheticReplayPolicy),
)
