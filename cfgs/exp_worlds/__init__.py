"""What the recipes of the worlds have in common: small policies, learned from a thousand episodes within minutes.

`export` is a perceptron that sees the present row: experts of pymunk's worlds act upon what they see at the moment alone. Those of
bullet's go through steps of a plan: `recurrent` has a memory. How well each does is in docs/worlds.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from cfgs.model import bc_mlp, bc_rnn
from cfgs.policy import gcbc
from cfgs.trainer import goal_trainer
from configs.fields import Field as F
from muse.envs.vector_env import VectorEnv
from muse.trainers.optimizers import CosineRate

data = np_seq.export & d(file=F("dataset", "data/worlds/{}.npz".format))

common = d(
    device="cpu",
    seed=0,
    exp_name="worlds/{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    dataset_train=data & d(load_episode_range=[0.0, 0.95]),
    dataset_holdout=data & d(load_episode_range=[0.95, 1.0]),
    vector_env=d(cls=VectorEnv, num_envs=25),
    policy=gcbc.export,
    trainer=goal_trainer.export
    & d(
        holdout_every_n_steps=100,
        rollout_train_env_n_per_step=50,
        ema_decay=0.995,
        optimizer=d(
            base_scheduler=d(
                cls=CosineRate,
                warmup_steps=F("trainer/max_steps", lambda steps: min(200, steps // 10)),
                total_steps=F("trainer/max_steps"),
            ),
        ),
    ),
)
export = common & d(
    batch_size=512,
    horizon=1,
    model=bc_mlp.export & d(device=F("device"), action_decoder=d(mlp_size=256, mlp_depth=3), normalize_states=True),
    trainer=d(max_steps=20000, rollout_train_env_every_n_steps=5000, save_every_n_steps=5000),
)
recurrent = common & d(
    batch_size=128,
    horizon=10,
    model=bc_rnn.export & d(device=F("device"), action_decoder=d(hidden_size=128), normalize_states=True),
    trainer=d(max_steps=5000, rollout_train_env_every_n_steps=2500, save_every_n_steps=2500),
)

#: What policies of an arm see of it, of objects, and of goals that are places.
HAND = ["ee_position", "ee_orientation_eul", "gripper_pos", "finger_left_contact", "finger_right_contact"]
OBJECTS = ["objects/position", "objects/orientation_eul", "objects/contact", "objects/offset"]
PLACES = ["goals/position", "goals/offset"]


def of_arm(dataset: str, env: Mapping[str, Any], seen: Sequence[str]) -> d:
    """Returns the recipe of a world of bullet: changes of the hand's pose are learned, from the hand and what else is `seen`."""
    return recurrent & d(
        dataset=dataset,
        env_train=env & d(control_mode="delta_pose", object_offsets=True),
        model=d(state_names=[*HAND, *seen]),
    )
