"""The spec of data as it is there, with or without one in the file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData, role_by_name
from muse.specs import EnvSpec, Leaf


def arrays_spec(data: EpisodeData) -> EnvSpec:
    """Returns a leaf for each array of `data`: the file's own, or one without unit and limits where it has none for that name."""
    known = {leaf["name"]: Leaf.from_dict(leaf) for leaf in data.meta.get("spec", {}).get("leaves", ())}
    leaves = []
    for name, array in {**data.steps, **data.onetime}.items():
        role = role_by_name(name) or ("param" if name in data.onetime else "")
        leaves.append(known.get(name) or Leaf(name, array.shape[1:], -np.inf, np.inf, array.dtype, role=role))
    order = {name: i for i, name in enumerate(known)}
    return EnvSpec.from_leaves(sorted(leaves, key=lambda leaf: order.get(leaf.name, len(order))))


def check_same_specs(parts: Sequence[EpisodeData]) -> None:
    """Raises `DataError` for everything in which the specs of several datasets differ from the first one's; limits count too."""
    first = {leaf["name"]: leaf for leaf in arrays_spec(parts[0]).to_dict()["leaves"]}
    for part in parts[1:]:
        other = {leaf["name"]: leaf for leaf in arrays_spec(part).to_dict()["leaves"]}
        differences = [f"'{name}' is missing" for name in first if name not in other]
        differences += [f"'{name}' is new" for name in other if name not in first]
        for name in first:
            for key in other.get(name, ()):
                if key != "description" and other[name][key] != first[name][key]:
                    differences.append(f"'{name}' {key} {other[name][key]!r} instead of {first[name][key]!r}")
        if differences:
            hint = "`muse data relabel` renames, drops and casts, and sets roles, units and limits"
            raise DataError(
                part.where, "; ".join(differences), f"the names, types, units, roles and limits of {parts[0].where}", hint
            )
