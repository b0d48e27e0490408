"""A small served policy: an LSTM on the point mass with first weights."""

import numpy as np
import torch
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.models.bc import BaseGCBC, MLPActionDecoder, RNNActionDecoder
from muse.policies.bc.gcbc_policy import GCBCPolicy

SPEC = make_env_spec(PointMassEnv, d(num_steps=30))


def make_model(chunk=0):
    torch.manual_seed(3)
    recurrent = d(cls=RNNActionDecoder, hidden_size=16, rnn_depth=1, use_policy_dist=True)
    planning = d(cls=MLPActionDecoder, mlp_size=16, mlp_depth=1, chunk=chunk)
    return BaseGCBC(d(action_decoder=planning if chunk else recurrent), SPEC).eval()


def make_policy():
    return GCBCPolicy(d(), SPEC)


def draw_obs(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0, 1, SPEC.leaf(name).shape).astype(np.float32) for name in SPEC.observation_names}
