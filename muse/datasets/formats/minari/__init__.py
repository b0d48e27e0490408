"""Minari's datasets, in its HDF5 form (Minari 0.5).

    <name>-v<number>/data/
      metadata.json             observation_space, action_space, dataset_id, env_spec, total_episodes ...
      main_data.hdf5
        episode_<int>           attributes id, total_steps, seed ...
          observations[/<path>] (T + 1, ...): before each action, and after the last
          actions[/<path>]      (T, ...)
          rewards, terminations, truncations  (T,)
          infos/<path>          (T + 1, ...): at the reset, and after each action

Muse's names for it, unless a user says otherwise:

    observations/<path>          <path>, what was seen before each action; pictures are unpacked where Minari packed them as JPEG. A space
                                 that is no Dict is `observation`
    observations/<path>[-1]      final/next/<path> (E, ...), what was seen after the last action
    actions, actions/<path>      action, action/<path>
    rewards, terminations, truncations   reward, terminated, truncated, (N, 1)
    infos/<path>                 info/<path>, what came after each action; that of the reset is left out
    @seed                        param/seed, where each episode has one
    metadata.json                _meta/minari

Types stay as they are. `write` puts observations and goals of numbers under `observations`, a space of kind Dict; every other step name under
`infos`, the row after each action, once more in front for the reset; one-time names under `muse` in each episode, where Minari does not look.
What Muse does not know is what was seen after the last action, unless there is a `final/next/<name>`: the last row stands in for it then, and
the report says so. What Muse's names and types were, and `_meta`, is kept under `muse` in `metadata.json`.
"""

from muse.datasets.formats.minari.minari_format import MinariFormat

__all__ = ["MinariFormat"]
