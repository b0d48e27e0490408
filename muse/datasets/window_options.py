"""Options of datasets of windows."""

from __future__ import annotations

from muse.utils.abstract import Argument

#: Options that every dataset of windows has.
WINDOW_ARGUMENTS = [
    Argument("missing_hint", type=str, help="what to try where the file is missing, for the message"),
    Argument("batch_size", type=int, default=256, help="windows in a batch"),
    Argument("horizon", type=int, default=10, help="rows in a window", unit="rows"),
    Argument("horizon_skip", type=int, default=1, help="rows from one row of a window to the next", unit="rows"),
    Argument("pad_end_sequence", type=bool, default=False, help="windows may begin anywhere and repeat the last row"),
    Argument("pad_start", type=bool, default=False, help="windows may begin before the episode and repeat its first row"),
    Argument(
        "load_episode_range",
        type=list,
        element_type=float,
        help="fractions [low, high) of the episodes to keep, for train and holdout",
    ),
    Argument("initial_load_episodes", type=int, default=0, help="keep only so many of the loaded episodes; 0: all"),
    Argument("split", type=str, help="keep only the episodes of this named split of the file"),
    Argument(
        "load_from_base",
        type=bool,
        default=False,
        help="share the arrays of the train dataset instead of reading the file again",
    ),
    Argument("batch_names_to_get", type=list, element_type=str, help="names in a batch; none: all"),
    Argument("step_names", type=list, element_type=str, help="names with a row per step; none: those of the spec"),
    Argument(
        "onetime_names", type=list, element_type=str, help="names with a row per episode; none: params and finals of the spec"
    ),
    Argument("sampler", help="group of a sampler; none: shuffled epochs"),
    Argument(
        "data_preprocessors", help="groups of preprocessors by name, or a list: names made from those of the file, in order"
    ),
    Argument("goal_relabelling", help="group of a GoalRelabelling: goals taken from the windows' own episodes"),
    Argument("windows", help="group that chooses windows (InteractionWindows); none: all of every episode"),
]
