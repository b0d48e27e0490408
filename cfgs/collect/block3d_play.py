"""Play with a block on bullet's table, in long episodes; their goals are to be found in them afterwards.

python scripts/collect.py --max_eps 50 --save_file data/block3d/play_50.muse cfgs/collect/block3d_play.py
"""

from attrdict import AttrDict as d

from cfgs.env import block3d_push
from cfgs.policy import block3d_play
from muse.envs.vector_env import VectorEnv

export = d(
    seed=0,
    exp_name="collect/block3d_play",
    env_train=block3d_push.export & d(horizon=1000, done_on_success=False),
    vector_env=d(cls=VectorEnv, num_envs=4),
    policy=block3d_play.export,
)
