"""NutAssemblySquare from two cameras on two CPU cores: `bc_rnn_imgs` with a small net, as fast as `bc_rnn_quick` learns from states.

Pictures are drawn without the floor's reflections, which takes a third of the time.

    python scripts/collect.py --max_eps 200 --only_successful --save_file data/hvsBlock3D/scripted_square_30k_imgs_quick.muse \\
        cfgs/exp_hvs/square/bc_rnn_imgs_quick.py %policy cfgs/policy/square_expert.py
    python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_imgs_quick.py
"""

from attrdict import AttrDict as d

from cfgs.exp_hvs.square import bc_rnn_imgs, bc_rnn_quick

export = bc_rnn_imgs.export & d(
    device="cpu",
    dataset="scripted_square_30k_imgs_quick",
    exp_name="hvsBlock3D/vis_quick_{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
    env_train=d(reflections=False),
    model=d(image_encoder=d(trunk="conv")),
    trainer=bc_rnn_quick.export.trainer & d(prefetch_batches=2),
)
