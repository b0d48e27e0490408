"""How the checks tell what they found."""

from __future__ import annotations

from collections.abc import Sequence


def listed(problems: Sequence[str]) -> str:
    """Returns how many problems there are, and a line for each."""
    count = f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
    return count + "".join(f"\n  - {problem}" for problem in problems)
