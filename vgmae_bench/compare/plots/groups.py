"""Groups runs for figures: numbers within a group are comparable, and each run has a unique label in its group."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from vgmae_bench import plugins
from vgmae_bench.compare.plots.style import BACKGROUND, CurveLabel, LineLook, look_of
from vgmae_bench.compare.row import Row, names
from vgmae_bench.compare.selection import by_protocol

MOST_SHADED = 4
"""Panels with more curves show no intervals: they would hide each other."""
MOST_LABELLED = 7
"""A group with more runs labels the best run of each method, and the floor, and draws the others in grey."""
LABEL_CHARACTERS = 20
"""Longer labels are folded."""


@dataclass(frozen=True)
class Group:
    """Runs with comparable numbers.

    Attributes:
        runs: by unique name, best average Jaccard first.
    """

    runs: Mapping[str, Row]

    @property
    def first(self) -> Row:
        """The best run."""
        return next(iter(self.runs.values()))

    @property
    def title(self) -> str:
        """Dataset and protocol, for panels."""
        return f"{self.first.dataset}, {self.first.protocol}"

    @property
    def sentence(self) -> str:
        """The protocol, the number of clips and the meaning of the labels, for captions."""
        clips = " / ".join(sorted({row.clips for row in self.runs.values()}))
        named = ", ".join(name for name, label in self.labels.items() if name != label)
        labelled = f" Labelled: {named}." if named and self.partly_labelled else ""
        return f"{self.first.title}; {clips} clips.{labelled}"

    @property
    def partly_labelled(self) -> bool:
        """Whether some runs have no label. See `MOST_LABELLED`."""
        return len(self.runs) > MOST_LABELLED

    @property
    def labels(self) -> dict[str, str]:
        """The text beside each labelled run, by name, best run first. See `MOST_LABELLED`."""
        if not self.partly_labelled:
            return {name: textwrap.fill(name, LABEL_CHARACTERS, break_long_words=False) for name in self.runs}
        best: dict[str, str] = {}  # by method
        for name, row in self.runs.items():
            best.setdefault(row.record.method.name, name)
        tracking = [label for label in best if label not in floors()][:MOST_LABELLED]
        return {best[label]: label for label in best if label in tracking or label in floors()}

    @property
    def looks(self) -> dict[str, LineLook]:
        """The look of every run, by name: the method's colour and marker, or grey for a run without a label.

        Labelled runs of one method have different line styles.
        """
        seen: Counter[str] = Counter()
        chosen = dict.fromkeys(self.runs, BACKGROUND)
        for name in sorted(self.labels):
            own = self.runs[name].record.method.name
            chosen[name] = look_of(own, seen[own])
            seen[own] += 1
        return chosen

    def curve_labels(self, heights: Mapping[str, float]) -> list[CurveLabel]:
        """Labels of the labelled runs, where their curves end at `heights` (by name)."""
        looks = self.looks
        return [CurveLabel(text, heights[name], looks[name]) for name, text in self.labels.items() if name in heights]


@cache
def floors() -> set[str]:
    """Installed methods that need no skill, such as zero-motion. Figures always label them."""
    specs = [plugin.spec for plugin in plugins.installed("methods")]
    return {spec.name for spec in specs if isinstance(spec, plugins.MethodSpec) and spec.floor}


def groups(rows: Sequence[Row]) -> list[Group]:
    """Runs in groups of one protocol on the same data."""
    found = []
    for group in by_protocol(rows):
        ranked = sorted(group, key=lambda row: -np.nan_to_num(row.values("average_jaccard")[0], nan=-1.0))
        named = zip(names(ranked), ranked, strict=True)
        found.append(Group({name if row.complete else f"{name} [{row.clips} clips]": row for name, row in named}))
    return found


def shading(found: Sequence[Group]) -> tuple[bool, str]:
    """Whether curves have shaded intervals (see `MOST_SHADED`), and where the intervals are, for captions."""
    shaded = all(len(group.runs) <= MOST_SHADED for group in found)
    return shaded, "shaded: 95 % bootstrap intervals over clips" if shaded else "95 % intervals are in the CSV file"


def caption(found: Sequence[Group]) -> list[str]:
    """The last lines of captions: the meaning of grey, and one line per group."""
    grey = ["Labels: the best run of each method, and the floor; other runs are grey."]
    return grey * any(group.partly_labelled for group in found) + [group.sentence for group in found]


def keys(row: Row, name: str) -> dict[str, Any]:
    """The first columns of every figure's table."""
    return {"dataset": row.dataset, "protocol": row.protocol, "method": name, "run": row.record.key[:8]}
