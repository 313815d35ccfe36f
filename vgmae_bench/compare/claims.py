"""The headline claims of Video-GMAE (arXiv 2512.22489) against the published tables: which cells give each number.

A claim is a relative gain. Every pair of a Video-GMAE cell and somebody else's cell on the same benchmark is tried, so that
nothing but the tables decides what a number compares.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import product
from typing import Any

from vgmae_bench.compare.published import BENCHMARKS, Published, read
from vgmae_bench.compare.row import names
from vgmae_bench.compare.selection import HEADLINE, Row, by_protocol
from vgmae_bench.metrics.stats import interval

_AUDITED = tomllib.loads(resources.files("vgmae_bench.compare").joinpath("claims.toml").read_text(encoding="utf-8"))
OURS: str = _AUDITED["ours"]["published"]
RIVAL: str = _AUDITED["rival"]["published"]
CHAINED: str = _AUDITED["rival"]["compared"]
METHODS: dict[str, str] = {side["method"]: side["published"] for side in (_AUDITED["ours"], _AUDITED["rival"])}
"""The methods of measured runs, and how the names of their published rows begin."""


@dataclass(frozen=True)
class Claim:
    """A relative gain of Video-GMAE that its authors state, in percent of AJ, on one of our datasets' benchmarks."""

    dataset: str
    stated: float

    @property
    def text(self) -> str:
        return f"{OURS} {self.stated:+.1f} % on {BENCHMARKS[self.dataset]}"


CLAIMS = tuple(Claim(**claim) for claim in _AUDITED["claims"])


@dataclass(frozen=True)
class Cells:
    """Two cells of published tables and the relative gain from one to the other, in percent."""

    metric: str
    numerator: Published
    denominator: Published

    @property
    def gain(self) -> float:
        return 100 * (self.numerator.value(self.metric) / self.denominator.value(self.metric) - 1)

    @property
    def same_protocol(self) -> bool:
        """Whether both follow one protocol and depart from it in the same way."""
        protocols = [(row.protocol, row.differs) for row in (self.numerator, self.denominator)]
        return bool(protocols[0][0]) and protocols[0] == protocols[1]

    @property
    def self_supervised(self) -> bool:
        """Whether neither method has seen labels of tracks."""
        return {self.numerator.supervision, self.denominator.supervision} == {"self-supervised"}

    def as_json(self) -> dict[str, Any]:
        return {
            "metric": HEADLINE[self.metric],
            "gain": round(self.gain, 3),
            "same_protocol": self.same_protocol,
            "self_supervised": self.self_supervised,
            **{
                name: _cell(row, self.metric)
                for name, row in (("numerator", self.numerator), ("denominator", self.denominator))
            },
        }


def audit(rows: Sequence[Row] = ()) -> list[dict[str, Any]]:
    """Every claim with the arithmetic that gives its number. See `check` for the keys.

    Arguments:
        rows: measured runs; where there are some of both methods on the same questions, their ratio is added.
    """
    pairs = measured(rows)
    return [check(claim, pairs) for claim in CLAIMS]


def check(claim: Claim, pairs_measured: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """One claim.

    Arguments:
        pairs_measured: as `measured` gives them.

    Returns:
        claim: in words. stated: in percent, as its authors print it.
        recomputed: the gain, in percent, of the cells that give the stated number; None where none do.
        cells: every pair of cells whose gain rounds to the stated number.
        protocols: of the methods in these cells.
        as_described: the gain between the self-supervised trackers, Video-GMAE zero-shot over GMRW, from the same tables.
        like_for_like: the gain of Video-GMAE over GMRW where both were scored by one protocol: `published`, pairs of
            cells; `measured`, pairs of our runs with a 95 % interval over clips, each naming its dataset.
        verdict: what follows, in words.
    """
    table = [row for row in read() if row.benchmark == BENCHMARKS[claim.dataset]]
    ours = [row for row in table if row.method.startswith(OURS)]
    others = [row for row in table if not row.method.startswith(OURS)]
    pairs = [Cells(metric, a, b) for metric in HEADLINE for a, b in product(ours, others)]
    fitting = [cells for cells in pairs if abs(cells.gain - claim.stated) < 0.05]  # NaN, a missing cell, fits nothing
    rivals = [cells for cells in pairs if cells.denominator.method.startswith(RIVAL) and not math.isnan(cells.gain)]
    described = next((cells for cells in rivals if cells.self_supervised and cells.denominator.method == CHAINED), None)
    return {
        "claim": claim.text,
        "stated": claim.stated,
        "recomputed": round(fitting[0].gain, 3) if fitting else None,
        "cells": [cells.as_json() for cells in fitting],
        "protocols": _protocols(fitting),
        "as_described": described.as_json() if described else None,
        "like_for_like": {
            "published": [cells.as_json() for cells in rivals if cells.same_protocol],
            "measured": list(pairs_measured),
        },
        "verdict": _verdict(claim, fitting, described, ours),
    }


def measured(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The relative gain in AJ of every Video-GMAE run over every GMRW run on the same questions, in percent.

    Returns:
        By pair: dataset, protocol, numerator and denominator (method, run, AJ), gain, and its 95 % bootstrap interval over
        clips, in which both methods see the same clips.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
    """
    pairs = []
    for group in by_protocol(rows):
        named = list(zip(names(group), group, strict=True))
        by_method = [[one for one in named if one[1].record["identity"]["method"] == method] for method in METHODS]
        pairs += [_measured(*pair) for pair in product(*by_method)]
    return pairs


def _measured(ours: tuple[str, Row], theirs: tuple[str, Row]) -> dict[str, Any]:
    from vgmae_bench.compare.paired import aligned, by_clip

    (_, first), (_, second) = ours, theirs
    table = aligned([first, second], "average_jaccard").dropna()
    sums, _, clips = by_clip(table, table.to_numpy(dtype=float))
    means = 100 * sums.sum(axis=0) / max(1, len(table))
    low, high = interval(sums[:, :1], sums[:, 1:])
    gains = [100 * (ratio - 1) for ratio in (means[0] / means[1], low[0], high[0])]
    told = [
        {"method": name, "run": str(row.run.path), "AJ": round(float(mean), 3)}
        for (name, row), mean in zip((ours, theirs), means, strict=True)
    ]
    return {
        "dataset": first.dataset,
        "protocol": first.protocol,
        "clips": len(clips),
        "gain": _number(gains[0]),
        "ci95": [_number(gains[1]), _number(gains[2])],
        "numerator": told[0],
        "denominator": told[1],
    }


def _protocols(fitting: Sequence[Cells]) -> list[dict[str, str]]:
    rows = dict.fromkeys(row for cells in fitting for row in (cells.numerator, cells.denominator))
    told = {(row.method, row.protocol, row.query_mode, row.differs) for row in rows}
    columns = ("method", "protocol", "query_mode", "differs")
    return [dict(zip(columns, values, strict=True)) for values in sorted(told)]


def _verdict(claim: Claim, fitting: Sequence[Cells], described: Cells | None, ours: Sequence[Published]) -> str:
    sentences = [] if fitting else [f"No pair of published cells gives {claim.stated:+.1f} %."]
    same: dict[tuple[Any, ...], list[Cells]] = {}
    for cells in fitting:
        values = (cells.numerator.value(cells.metric), cells.denominator.value(cells.metric))
        same.setdefault((cells.numerator, *values, cells.self_supervised, cells.same_protocol), []).append(cells)
    for group in same.values():
        cells = group[0]
        kinds = [] if cells.self_supervised else ["not between self-supervised methods"]
        kinds += [] if cells.same_protocol else ["not by one protocol"]
        sentences.append(f"{_arithmetic(group)}{': ' if kinds else ''}{', and '.join(kinds)}.")
        for other in ours:
            again = Cells(cells.metric, other, cells.denominator)
            if other.method == cells.numerator.method and abs(again.gain - cells.gain) > 0.05:
                value = f"{other.value(cells.metric):.1f} in {other.source}"
                sentences.append(f"The first cell is {value}, which would give {again.gain:+.1f} %.")
    if described and described not in fitting:
        sentences.append(f"Between the self-supervised trackers the same tables have {_arithmetic([described])}.")
    return " ".join(sentences)


def _arithmetic(group: Sequence[Cells]) -> str:
    """ "75.1 / 55.8 = +34.6 % AJ, Video-GMAE-L fine-tuned (videogmae-release) over CoTracker3 (tapvid-first)"."""
    cells = group[0]
    a, b = cells.numerator, cells.denominator
    rivals = " or ".join(dict.fromkeys(f"{one.denominator.method} ({_protocol(one.denominator)})" for one in group))
    arithmetic = f"{a.value(cells.metric):.1f} / {b.value(cells.metric):.1f} = {cells.gain:+.1f} %"
    return f"{arithmetic} {HEADLINE[cells.metric]}, {a.method} ({_protocol(a)}) over {rivals}"


def _protocol(row: Published) -> str:
    return row.protocol or f"protocol {row.query_mode}"


def _cell(row: Published, metric: str) -> dict[str, Any]:
    kept = ("method", "supervision", "dataset", "query_mode", "protocol", "differs", "source", "evidence")
    return {"value": row.value(metric)} | {name: getattr(row, name) for name in kept}


def _number(value: float) -> float | None:
    return None if math.isnan(value) or math.isinf(value) else round(float(value), 3)
