"""LeRobot's datasets, version 3.0, as LeRobot from 0.4 on writes them.

    meta/info.json               version, features (dtype, shape, names of the elements), fps, patterns of the paths, sizes
    meta/stats.json              statistics of each feature
    meta/tasks.parquet           texts, in the order of task_index
    meta/episodes/chunk-000/file-000.parquet       for each episode: length, first row, files, times in the videos, statistics
    data/chunk-000/file-000.parquet                rows, several episodes in a file; pictures in them as PNG, or
    videos/<feature>/chunk-000/file-000.mp4        in videos, several episodes in a file

From LeRobot to Muse, unless a user says otherwise; names have no dots, and a single number or text is `(N, 1)`:

    observation.state            state; likewise every observation.<x>, role observation
    observation.images.<camera>  images/<camera>; if there is one camera that the robot does not carry, image, and if there is one
                                 that it does (wrist, hand, gripper, ego), ego_image. Videos are decoded: `(N, Y, X, 3)` uint8
    action, action.<x>           action, action_<x>, role action
    next.reward, next.<x>        reward, <x>, role output_observation
    next.done                    dones: it may be true elsewhere than on an episode's last row, which is where Muse's done is true
    timestamp                    timestamp
    task                         param/task, a text for each episode; the step name task where it changes within one
    frame_index, episode_index, index, task_index     left out: they follow from the episodes and `task`
    splits of info.json          splits of _meta; fps, robot_type and names of elements: _meta/lerobot

From Muse to LeRobot, what came from there goes back to where it was, and else by role:

    observation, (Y, X, 3) uint8 observation.images.<name>
    observation of floats        elements of observation.state, which policies of LeRobot read (`join_observations`); otherwise,
                                 and for whole numbers, observation.<name>
    action                       action; several lie side by side in it
    goal, output observations    goal.<name>, next.<name>
    without a role               info.<name>
    param/task                   task
    params, finals, lists of texts, what has more than five dimensions       meta/muse.npz
    _meta, Muse's names          meta/muse.json

Slashes become dots. Added are next.done, which is true on the last row of each episode, timestamp, and the four that follow.
LeRobot passes over the two files of Muse, and by them data comes back as it was, names, types and `_meta`; pictures do with
`video=False`. Where others have changed the episodes since, splits and what lies in `meta/muse.npz` are left out. Places to map
to are features, or `<feature>/<name>` for names that are to lie side by side.

Statistics are LeRobot's: by element, of pictures by channel from 0 to 1 on a sample; quantiles of all are the mean of those of
the episodes.
"""

from muse.datasets.formats.lerobot.lerobot_format import LeRobotFormat

__all__ = ["LeRobotFormat"]
