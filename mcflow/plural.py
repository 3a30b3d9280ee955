"""Counts in sentences: one case, two cases."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 case``, ``2 cases``: a count and its noun; ``plural`` where that is not the noun and an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
