from attrdict import AttrDict as d

from configs.fields import Field as F
from muse.policies.bc.gcbc_policy import GCBCPolicy

export = d(
    cls=GCBCPolicy,
    recurrent=True,
    replan_horizon=F("horizon"),
    timeout=0,
)
