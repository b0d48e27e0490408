"""Behaviour cloning with a recurrent policy: an LSTM of 2x400, one linear layer, a tanh, squared error.

States and actions are those of the env's spec. `%model --normalize_states`, `%model %%action_decoder --hidden_size 1000`.
"""

from attrdict import AttrDict as d

from configs.fields import Field as F
from muse.models.bc.action_decoders import RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC

model = d(
    cls=BaseGCBC,
    exp_name="_bc-{?action_decoder/use_policy_dist:nll:{action_decoder/policy_loss}}{?normalize_states:-ns}",
    device=F("device"),
    use_goal=False,
    use_last_state_goal=False,
    normalize_states=False,
)
head = d(
    policy_loss="l2",
    use_tanh_out=True,
    normalize_actions=False,
    use_policy_dist=False,
    policy_num_mix=1,
    use_policy_dist_mean=True,
    policy_sig_min=1e-3,
    policy_sig_max=10.0,
)
export = model & d(
    action_decoder=head
    & d(
        cls=RNNActionDecoder,
        exp_name="_{rnn_type}-hs{hidden_size}-ps{policy_size}{?use_policy_dist:-pd{policy_num_mix}}",
        rnn_type="lstm",
        hidden_size=400,
        policy_size=0,
        rnn_depth=2,
        dropout_p=0.0,
    )
)
