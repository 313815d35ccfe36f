"""Runs as figures show them: in groups whose numbers compare, each under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgmae_bench.compare.row import Row, names
from vgmae_bench.compare.selection import by_protocol


@dataclass(frozen=True)
class Group:
    """Runs whose numbers compare.

    Attributes:
        runs: by the name they go by in figures, best average Jaccard first.
    """

    runs: Mapping[str, Row]

    @property
    def first(self) -> Row:
        return next(iter(self.runs.values()))

    @property
    def title(self) -> str:
        return f"{self.first.dataset}, {self.first.protocol}"

    @property
    def protocol(self) -> str:
        """The protocol's sentence and the number of clips, for captions."""
        clips = " / ".join(sorted({row.clips for row in self.runs.values()}))
        return f"{self.first.title}; {clips} clips."


def groups(rows: Sequence[Row]) -> list[Group]:
    """Runs by protocol and data."""
    found = []
    for group in by_protocol(rows):
        ranked = sorted(group, key=lambda row: -np.nan_to_num(row.values("average_jaccard")[0], nan=-1.0))
        named = zip(names(ranked), ranked, strict=True)
        found.append(Group({name if row.complete else f"{name} [{row.clips} clips]": row for name, row in named}))
    return found


def keys(row: Row, name: str) -> dict[str, Any]:
    """The columns that every table of a figure begins with."""
    return {"dataset": row.dataset, "protocol": row.protocol, "method": name, "run": row.record["key"][:8]}
