"""Measured numbers beside published ones of the same method, weights, dataset and protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vgmae_bench import plugins
from vgmae_bench.compare import published
from vgmae_bench.compare.metric_names import label
from vgmae_bench.compare.row import Row


@dataclass(frozen=True)
class Difference:
    """A metric of a run and its published value, in percent.

    Attributes:
        metric: its name in records.
        quoted: the published number with the digits that its source prints.
        row: where it was published.
    """

    metric: str
    measured: float
    quoted: str
    row: published.Published

    @property
    def value(self) -> float:
        """Measured less published."""
        return self.measured - float(self.quoted)

    def __str__(self) -> str:
        return f"{label(self.metric)} {self.measured:.2f}, published {self.quoted} ({self.value:+.2f})"


def differences(row: Row, metrics: Sequence[str]) -> list[Difference]:
    """Compare a run with published numbers of the same method, weights, dataset and protocol.

    Published numbers that deviate from the protocol are left out. A run on a part of the dataset has no differences. If
    several sources print a number, sources by the authors of the table come first.
    """
    weights = row.record.method.weights
    if weights is None or not row.complete or row.partial_coverage:
        return []
    spec = plugins.spec_of("methods", row.record.method.name)
    name = spec.published.get(weights.name) if spec else None
    rows = [
        one
        for one in published.beside(row.dataset_name, row.protocol)
        if one.method == name and one.dataset == one.benchmark and one.comparable(row.protocol)
    ]
    found = []
    for metric in metrics:
        fitting = sorted((one for one in rows if one.quoted(metric)), key=lambda one: one.secondary)
        measured = row.values(metric)[0]
        if fitting and not math.isnan(measured):
            found.append(Difference(metric, measured, fitting[0].quoted(metric), fitting[0]))
    return found


def note(name: str, row: Row, metrics: Sequence[str]) -> str:
    """The differences of a run in a sentence; empty where there are none."""
    found = differences(row, metrics)
    if not found:
        return ""
    sources = ", ".join(dict.fromkeys(one.row.source.removeprefix("https://") for one in found))
    return f"{name}: {'; '.join(map(str, found))}. {found[0].row.method}, {sources}."
