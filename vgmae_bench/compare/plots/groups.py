"""Runs as figures show them: in groups whose numbers compare, each under a name of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgmae_bench.compare.row import Row
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
        found.append(Group({_name(row, ranked): row for row in ranked}))
    return found


def _name(row: Row, group: Sequence[Row]) -> str:
    """The method; where it is there twice, with the settings that tell it apart, or else with its run's key."""
    name = row.method
    same = [other for other in group if other.method == name]
    if len(same) > 1:
        told = [_differing(other, same) for other in same]
        own = _differing(row, same)
        name += f" {own}" if told.count(own) == 1 else f" {row.record['key'][:8]}"
    return name if row.complete else f"{name} [{row.clips} clips]"


def _differing(row: Row, others: Sequence[Row]) -> str:
    """ "levels=2": the settings of the run that are not the same in all the others."""
    settings = [_settings(other) for other in others]
    own = _settings(row)
    return ", ".join(f"{key}={own[key]}" for key in own if len({other.get(key) for other in settings}) > 1)


def _settings(row: Row) -> dict[str, str]:
    config = row.record["identity"].get("method_config") or {}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def keys(row: Row, name: str) -> dict[str, Any]:
    """The columns that every table of a figure begins with."""
    return {"dataset": row.dataset, "protocol": row.protocol, "method": name, "run": row.record["key"][:8]}
