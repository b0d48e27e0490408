"""Play with two blocks in the plane, in long episodes; their goals are to be found in them afterwards.

python scripts/collect.py --max_eps 50 --save_file data/blocks/play_50.muse cfgs/collect/blocks_play.py
"""

from attrdict import AttrDict as d

from cfgs.env import carry_block
from cfgs.policy import blocks_play
from muse.envs.vector_env import VectorEnv

export = d(
    seed=0,
    exp_name="collect/blocks_play",
    env_train=carry_block.export & d(num_blocks=2, horizon=1000, done_on_success=False),
    vector_env=d(cls=VectorEnv, num_envs=4),
    policy=blocks_play.export,
)
