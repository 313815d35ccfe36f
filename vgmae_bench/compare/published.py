"""Published numbers: where each was read, how it deviates from our protocol, and how measured numbers differ from it.

They are in published.csv beside this file; `results/published.csv` is a link to it. Columns:

* method, paper, year, supervision.
* dataset, query_mode, resolution: as in the source; empty if it does not say.
* AJ, delta_avg, OA: in percent; empty if not reported.
* source: where the number was read.
* evidence: "primary" if the number was read in a text by the authors of the table; "secondary" if it was read in
another document. Check secondary numbers before you quote them.
* protocol: our protocol that the number follows; empty if that is unclear.
* differs: deviations from that protocol; empty if there are none, as far as the source says.

published.bib has the papers' BibTeX entries, one a line.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import resources
from itertools import product

from vgmae_bench import plugins
from vgmae_bench.compare.row import HEADLINE, Row, label
from vgmae_bench.errors import UnknownNameError

BENCHMARKS = {
    "davis": "TAP-Vid-DAVIS",
    "kinetics": "TAP-Vid-Kinetics",
    "rgb-stacking": "TAP-Vid-RGB-Stacking",
    "robotap": "RoboTAP",
    "kubric": "TAP-Vid-Kubric",
}
"""The datasets' names in published.csv, by our names."""

COLUMNS = dict(zip(HEADLINE, ("AJ", "delta_avg", "OA"), strict=True))
QUERY_MODES = ("tapvid-first", "tapvid-strided")
"""Our protocols of which most numbers are published."""
ALL, PRIMARY = "all", "primary"
"""What `select` takes besides names of methods."""


@dataclass(frozen=True)
class Published:
    """One row of published.csv. All fields are text."""

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
        """The value of `metric` in percent, as the source prints it; empty if the source reports none."""
        return str(getattr(self, COLUMNS[metric])) if metric in COLUMNS else ""

    def value(self, metric: str) -> float:
        """The value of `metric` in percent; NaN if the source reports none."""
        return float(self.quoted(metric) or math.nan)

    @property
    def benchmark(self) -> str:
        """The dataset without its subset: "TAP-Vid-Kinetics" of "TAP-Vid-Kinetics (30 sampled videos)"."""
        return self.dataset.partition(" (")[0]

    @property
    def secondary(self) -> bool:
        """Whether the number was read in another document than the source."""
        return self.evidence == "secondary"

    @property
    def bibtex_key(self) -> str:
        """The key of the paper's BibTeX entry: its arXiv number, or its name and year ("OmniMotion2023")."""
        paper = self.paper.partition(" (")[0]
        found = re.search(r"arXiv:\d{4}\.\d{4,5}", paper)
        return found.group() if found else re.sub(r"[^A-Za-z0-9+-]", "", paper) + self.year

    def comparable(self, protocol: str) -> bool:
        """Whether it follows that protocol, as far as its source says."""
        return self.protocol == protocol and not self.differs


def read() -> list[Published]:
    """All rows of published.csv."""
    text = resources.files("vgmae_bench.compare").joinpath("published.csv").read_text(encoding="utf-8")
    names = [field.name for field in fields(Published)]
    return [Published(**{name: row[name] for name in names}) for row in csv.DictReader(text.splitlines())]


def bibliography() -> dict[str, str]:
    """The BibTeX entries of published.bib, each in one line, by key."""
    text = resources.files("vgmae_bench.compare").joinpath("published.bib").read_text(encoding="utf-8")
    return {entry.partition("{")[2].partition(",")[0]: entry for entry in text.splitlines()}


def kinds_alone(dataset: Sequence[str], protocol: Sequence[str]) -> list[tuple[str, str]]:
    """The tables of published numbers without runs: datasets and protocols. Without names, all of them."""
    return list(product(dataset or BENCHMARKS, protocol or QUERY_MODES))


def beside(dataset: str, protocol: str) -> list[Published]:
    """The rows for a table of our dataset and protocol, best AJ first.

    Rows of the other TAP-Vid query mode are left out, because their queries and scored frames are different. A protocol with
    another input ("tapvid-first-384x512") has the rows of the one it comes from, none of which is comparable.
    """
    base = re.sub(r"-\d+x\d+$", "", protocol)
    rows = [
        row
        for row in read()
        if row.benchmark == BENCHMARKS.get(dataset) and row.protocol in (base, "videogmae-release", "")
    ]
    return sorted(rows, key=lambda row: -float(row.AJ or 0))


def select(rows: Sequence[Published], which: str) -> list[Published]:
    """Select some of the rows.

    Arguments:
        which: "all"; "primary", for rows that were read in a text by the authors of the table; or names of methods,
            separated by commas. A name stands for all methods that begin with it, in any case.

    Raises:
        UnknownNameError: no published method begins with a name.
    """
    if which in (ALL, PRIMARY):
        return [row for row in rows if which == ALL or not row.secondary]
    wanted = tuple(name.strip().lower() for name in which.split(",") if name.strip())
    known = sorted({row.method for row in read()})
    for name in wanted:
        if not any(method.lower().startswith(name) for method in known):
            why = (
                plugins.did_you_mean(name, known) or f"published.csv has {len(known)} methods, for instance {known[0]}"
            )
            raise UnknownNameError(f'No published method is called "{name}"', why, try_="--published, for all of them")
    return [row for row in rows if row.method.lower().startswith(wanted)]


def fold_duplicates(rows: Sequence[Published], protocol: str) -> list[tuple[Published, int]]:
    """Rows without repeated numbers, each with the number of rows that repeat it. The order stays.

    A row repeats another row of the same method if it has no other metrics and equal values, to its own digits. Rows
    that follow `protocol` are preferred, then primary rows.
    """

    def preference(row: Published) -> tuple[bool, bool, int]:
        return not row.comparable(protocol), row.secondary, -sum(bool(row.quoted(metric)) for metric in COLUMNS)

    kept: dict[Published, int] = {}
    for row in sorted(rows, key=preference):
        same = next((other for other in kept if _repeats(row, other)), None)
        if same is None:
            kept[row] = 0
        else:
            kept[same] += 1
    return [(row, kept[row]) for row in rows if row in kept]


def _repeats(row: Published, other: Published) -> bool:
    values = [(row.quoted(metric), other.quoted(metric)) for metric in COLUMNS if row.quoted(metric)]
    return (row.method, row.dataset) == (other.method, other.dataset) and all(
        theirs and abs(float(own) - float(theirs)) <= 0.5 * 10.0 ** -len(own.partition(".")[2]) + 1e-9
        for own, theirs in values
    )


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
    row: Published

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
        for one in beside(row.record.dataset.name, row.protocol)
        if one.method == name and one.dataset == one.benchmark and one.comparable(row.protocol)
    ]
    found = []
    for metric in metrics:
        fitting = sorted((one for one in rows if one.quoted(metric)), key=lambda one: one.secondary)
        measured = row.values(metric)[0]
        if fitting and not math.isnan(measured):
            found.append(Difference(metric, measured, fitting[0].quoted(metric), fitting[0]))
    return found


def difference_note(name: str, row: Row, metrics: Sequence[str]) -> str:
    """The differences of a run in a sentence; empty if it has none."""
    found = differences(row, metrics)
    if not found:
        return ""
    sources = ", ".join(dict.fromkeys(one.row.source.removeprefix("https://") for one in found))
    return f"{name}: {'; '.join(map(str, found))}. {found[0].row.method}, {sources}."
