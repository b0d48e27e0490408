"""Small classes with declared options, for recipes of these tests."""

from attrdict import AttrDict as d

from configs.config_node import ConfigNode
from configs.fields import Field
from muse.utils.abstract import Argument, BaseClass


class Group(BaseClass):
    predefined_arguments = [
        Argument("model_order", type=list, default=[], element_type=str, help="sub-models"),
        Argument("use_policy_dist", type=bool, default=False, help="predict a distribution"),
        Argument("normalize", type=bool, default=True),
        Argument("device", type=str, default="cpu"),
        Argument("preproc_fn"),
    ]


class Decoder(BaseClass):
    predefined_arguments = [
        Argument("rnn_type", type=str, default="gru", choices=("gru", "lstm"), help="kind of cell"),
        Argument("hidden_size", type=int, default=200, help="width"),
        Argument("policy_size", type=int, default=0),
        Argument("policy_num_mix", type=int, default=1),
        Argument("use_policy_dist", type=bool, default=False),
        Argument("use_tanh_out", type=bool, default=True),
        Argument("dropout", type=float, default=0.0),
    ]


class Other(BaseClass):
    predefined_arguments = [Argument("width", type=int, default=1)]


class Data(BaseClass):
    predefined_arguments = [
        Argument("horizon", type=int, default=1, help="rows in a window"),
        Argument("batch_size", type=int, default=1),
        Argument("file", type=str, default=""),
        Argument("load_episode_range", type=list, element_type=float),
        Argument("max_rows", type=int),
        Argument("dt", type=float, default=0.1, unit="s", help="time step"),
        Argument("names", type=list, default=[], element_type=str),
    ]


class Needs(BaseClass):
    predefined_arguments = [Argument("size", type=int, required=True, help="no default")]


class World(BaseClass):
    default_params = d(noise=0.5)
    predefined_arguments = [Argument("noise", type=float, default=0.0), Argument("imgs", type=bool, default=False)]


class Free:
    """Declares nothing."""


def double(value):
    return 2 * value


class Links(BaseClass):
    predefined_arguments = [
        Argument("links", type=list, default=[], element_type=str),
        Argument("width", type=int, default=1),
        Argument("half", type=float, default=0.0),
    ]


class Chain(ConfigNode):
    default_cls = Links
    default_params = d(length=2, width=5)
    default_local_exp_name = "_chain{length}"

    def declare_arguments(self, options):
        options.add("link_width", type=int, default=7, help="of each link")

    def process_params(self, params):
        params["half"] = Field("width", lambda width: width / 2)
        params["links"] = [f"link_{i}" for i in range(params.length)]
        for link in params["links"]:
            params[link] = d(cls=Other, width=params.link_width)
        return params


def bc_rnn():
    """A recipe like that of the first example."""
    return d(
        device="cuda",
        seed=0,
        batch_size=256,
        horizon=10,
        dataset="human_square_30k",
        exp_name="hvsBlock3D/velact_{?seed:s{seed}_}b{batch_size}_h{horizon}_{dataset}",
        dataset_train=d(
            cls=Data,
            horizon=Field("horizon"),
            batch_size=Field("batch_size"),
            file=Field("dataset", "data/hvsBlock3D/{}.npz".format),
            load_episode_range=[0.0, 0.9],
        ),
        model=d(
            cls=Group,
            exp_name="_bc-l2",
            device=Field("device"),
            model_order=["action_decoder"],
            action_decoder=d(
                cls=Decoder,
                exp_name="_{rnn_type}-hs{hidden_size}-ps{policy_size}{?use_policy_dist:-pd{policy_num_mix}}",
                rnn_type="lstm",
                hidden_size=400,
                use_policy_dist=Field("../use_policy_dist"),
            ),
        ),
    )


ROOT_KEYS = ("device", "seed", "batch_size", "horizon", "dataset", "dataset_train", "model")
BC_RNN_NAME = "hvsBlock3D/velact_b256_h10_human_square_30k_bc-l2_lstm-hs400-ps0"
