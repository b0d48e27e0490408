"""The quick recipe for NutAssemblySquare: most of what there is to learn within half an hour on two CPU cores.

What `bc_rnn_gmm` learns, in 8,000 steps instead of 400,000, with five changes. States are normalised. The learning rate is ten times as high
and falls to zero along a cosine. No deviation is smaller than 0.03, or the gripper, which is always open or closed, would rule the
likelihood. Averaged weights act. It computes in bfloat16 where the machine does. Evaluated every 2,000 steps.

    python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_quick.py
"""

from attrdict import AttrDict as d

from cfgs.exp_hvs.square import bc_rnn_gmm
from configs.fields import Field as F
from muse.trainers.optimizers import CosineRate

export = bc_rnn_gmm.export & d(
    dataset="scripted_square_30k",
    exp_name="hvsBlock3D/quick_{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    model=d(normalize_states=True, action_decoder=d(policy_sig_min=0.03)),
    trainer=d(
        max_steps=8000,
        block_env_on_first_n_steps=0,
        rollout_train_env_every_n_steps=2000,
        save_every_n_steps=2000,
        save_checkpoint_every_n_steps=2000,
        autocast="bf16",
        ema_decay=0.999,
        optimizer=d(
            base_optimizer=d(lr=1e-3),
            base_scheduler=d(
                cls=CosineRate,
                warmup_steps=F("trainer/max_steps", lambda steps: min(200, steps // 10)),
                total_steps=F("trainer/max_steps"),
            ),
        ),
    ),
)
