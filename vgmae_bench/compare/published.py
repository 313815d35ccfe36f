"""Numbers that others have published, with where they were read and how their protocol departs from ours.

They lie in published.csv beside this file; `results/published.csv` is a link to it. Columns: method, paper, year,
supervision; dataset, query_mode, resolution as the source has them (empty: not stated); AJ, delta_avg, OA in percent (empty:
not reported); source: where the number was read; evidence: "primary" in a text of the authors of the table, "secondary" in
somebody else's document, to be checked before it is quoted; protocol: ours that it follows (empty: undetermined);
differs: how it departs from that protocol (empty: not at all, as far as the source says).
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from importlib import resources

from vgmae_bench.compare.selection import HEADLINE

BENCHMARKS = {
    "davis": "TAP-Vid-DAVIS",
    "kinetics": "TAP-Vid-Kinetics",
    "rgb-stacking": "TAP-Vid-RGB-Stacking",
    "robotap": "RoboTAP",
    "kubric": "TAP-Vid-Kubric",
}
"""Our names of datasets, and those in published.csv."""

COLUMNS = dict(zip(HEADLINE, ("AJ", "delta_avg", "OA"), strict=True))


@dataclass(frozen=True)
class Published:
    """One row of published.csv, text as it stands there."""

    method: str
    paper: str
    year: str
    supervision: str
    dataset: str
    query_mode: str
    resolution: str
    AJ: str
    delta_avg: str
    OA: str
    source: str
    evidence: str
    protocol: str
    differs: str

    def quoted(self, metric: str) -> str:
        """One of `HEADLINE` in percent, as the source prints it; empty where it was not reported."""
        return str(getattr(self, COLUMNS[metric]))

    def value(self, metric: str) -> float:
        """The same as a number; NaN where it was not reported."""
        return float(self.quoted(metric) or math.nan)

    @property
    def benchmark(self) -> str:
        """The dataset without what narrows it: "TAP-Vid-Kinetics" of "TAP-Vid-Kinetics (30 sampled videos)"."""
        return self.dataset.partition(" (")[0]

    def comparable(self, protocol: str) -> bool:
        """Whether it follows that protocol, as far as its source says."""
        return self.protocol == protocol and not self.differs


def read() -> list[Published]:
    """Every published number that is known here."""
    text = resources.files("vgmae_bench.compare").joinpath("published.csv").read_text(encoding="utf-8")
    names = [field.name for field in fields(Published)]
    return [Published(**{name: row[name] for name in names}) for row in csv.DictReader(text.splitlines())]


def beside(dataset: str, protocol: str) -> list[Published]:
    """What can stand in a table of our dataset and protocol, the best AJ first.

    That is everything but the rows of the other TAP-Vid query mode, whose queries and scored frames are not the same.
    """
    rows = [
        row
        for row in read()
        if row.benchmark == BENCHMARKS.get(dataset) and row.protocol in (protocol, "videogmae-release", "")
    ]
    return sorted(rows, key=lambda row: -_or_zero(row.value("average_jaccard")))


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
