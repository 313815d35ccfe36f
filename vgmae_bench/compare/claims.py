"""Checks headline claims against the published tables: finds the published values that give the stated number.

A claim is a relative gain in average Jaccard on one benchmark. `check_claim` tries all pairs of published values on
that benchmark, one of the method and one of any other method. The tables alone thus show which values a number
compares. claims.toml holds the claims: those of Video-GMAE (arXiv:2512.22489) over GMRW.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

from vgmae_bench.compare.published import BENCHMARKS, Published, read
from vgmae_bench.compare.row import HEADLINE, Row, names
from vgmae_bench.compare.selection import by_protocol
from vgmae_bench.metrics.stats import finite, interval


@dataclass(frozen=True)
class Claim:
    """A relative gain that authors state.

    Attributes:
        dataset: our name of the dataset.
        stated: the gain in percent of AJ.
        method, rival: the methods' names in our runs.
        published, rival_published: the start of their names in published.csv.
        rival_row: the row of published.csv that the claim names as its rival.
    """

    dataset: str
    stated: float
    method: str
    published: str
    rival: str
    rival_published: str
    rival_row: str

    @property
    def rows(self) -> tuple[list[Published], list[Published]]:
        """The published rows of the benchmark: those of the method, and all others."""
        table = [row for row in read() if row.benchmark == BENCHMARKS[self.dataset]]
        ours = [row for row in table if row.method.startswith(self.published)]
        return ours, [row for row in table if row not in ours]


@cache
def claims() -> tuple[Claim, ...]:
    """The claims in claims.toml."""
    found = tomllib.loads(resources.files("vgmae_bench.compare").joinpath("claims.toml").read_text(encoding="utf-8"))
    return tuple(Claim(**found["of_all_claims"], **claim) for claim in found["claims"])


@dataclass(frozen=True)
class ValuePair:
    """Two published values and the relative gain from the denominator to the numerator, in percent."""

    metric: str
    numerator: Published
    denominator: Published

    @property
    def gain(self) -> float:
        """The gain in percent; NaN if a value is missing."""
        return 100 * (self.numerator.value(self.metric) / self.denominator.value(self.metric) - 1)

    @property
    def quotient(self) -> str:
        """The two values, for example "75.1 / 55.8"."""
        return f"{self.numerator.value(self.metric):.1f} / {self.denominator.value(self.metric):.1f}"

    @property
    def same_protocol(self) -> bool:
        """Whether both values follow one protocol, with the same deviations from it."""
        protocols = [(row.protocol, row.differs) for row in (self.numerator, self.denominator)]
        return bool(protocols[0][0]) and protocols[0] == protocols[1]

    @property
    def self_supervised(self) -> bool:
        """Whether both methods trained without track labels."""
        return {self.numerator.supervision, self.denominator.supervision} == {"self-supervised"}

    def as_json(self) -> dict[str, Any]:
        """The pair with both rows, for `check_claim`."""
        return {
            "metric": HEADLINE[self.metric],
            "gain": round(self.gain, 3),
            "same_protocol": self.same_protocol,
            "self_supervised": self.self_supervised,
            "numerator": _row_as_json(self.numerator, self.metric),
            "denominator": _row_as_json(self.denominator, self.metric),
        }


def check_claims(rows: Sequence[Row] = ()) -> list[dict[str, Any]]:
    """Check every claim. See `check_claim` for the keys.

    Arguments:
        rows: measured runs. Where both methods have runs on the same queries, their gains are added.
    """
    pairs = measured_gains(rows)
    return [check_claim(claim, pairs) for claim in claims()]


def check_claim(claim: Claim, pairs_measured: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Check one claim.

    Arguments:
        pairs_measured: the result of `measured_gains`.

    Returns:
        claim: the claim in words.
        stated: the gain in percent, as its authors print it.
        recomputed: the gain in percent of the published values that give the stated number; None if no values give it.
        cells: every pair of published values whose gain rounds to the stated number.
        protocols: the protocols of the methods in these pairs.
        as_described: the gain of the method over its rival where both are self-supervised, from the same tables.
        like_for_like: the gain over the rival where one protocol scored both. `published`: pairs of published values.
            `measured`: pairs of our runs with a 95 % interval over clips; each names its dataset.
        verdict: the result in words.
    """
    ours, others = claim.rows
    pairs = [ValuePair(metric, a, b) for metric in HEADLINE for a, b in product(ours, others)]
    fitting = [pair for pair in pairs if abs(pair.gain - claim.stated) < 0.05]  # False for NaN, a missing value
    rivals = [pair for pair in pairs if pair.denominator.method.startswith(claim.rival_published)]
    described = as_described(claim)
    return {
        "claim": f"{claim.published} {claim.stated:+.1f} % on {BENCHMARKS[claim.dataset]}",
        "stated": claim.stated,
        "recomputed": round(fitting[0].gain, 3) if fitting else None,
        "cells": [pair.as_json() for pair in fitting],
        "protocols": _protocols(fitting),
        "as_described": described.as_json() if described else None,
        "like_for_like": {
            "published": [pair.as_json() for pair in rivals if pair.same_protocol and not math.isnan(pair.gain)],
            "measured": list(pairs_measured),
        },
        "verdict": _verdict(claim, fitting, described, ours),
    }


def arithmetic_of(cells: Sequence[Mapping[str, Any]], between: str) -> str:
    """The published values that give a stated gain: "63.8 / 47.4, Video-GMAE over GMRW". Methods with one value are joined."""
    rivals: dict[str, list[str]] = {}
    for pair in cells:
        ours, theirs = pair["numerator"], pair["denominator"]
        named = rivals.setdefault(f"{ours['value']:.1f} / {theirs['value']:.1f}, {ours['method']} over ", [])
        if not any(theirs["method"].startswith(name) for name in named):  # variants of one method
            named.append(theirs["method"])
    text = "; ".join(arithmetic + between.join(names) for arithmetic, names in rivals.items())
    return text or "no published values give it"


def as_described(claim: Claim) -> ValuePair | None:
    """The published AJ of the method and of the row that the claim names, if both methods are self-supervised."""
    ours, others = claim.rows
    pairs = (ValuePair("average_jaccard", a, b) for a, b in product(ours, others) if b.method == claim.rival_row)
    return next((pair for pair in pairs if pair.self_supervised and not math.isnan(pair.gain)), None)


def measured_gains(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The relative gain in AJ of every run of a claim's method over every run of its rival, on the same queries.

    Returns:
        For each pair: dataset, protocol, clips, coverage, numerator and denominator (method, run, AJ), gain in percent,
            and its 95 % bootstrap interval over clips. Resampling draws the same clips for both runs.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
    """
    pairs = []
    for group in by_protocol(rows):
        named = list(zip(names(group), group, strict=True))
        for method, rival in dict.fromkeys((claim.method, claim.rival) for claim in claims()):
            ours, theirs = ([one for one in named if one[1].record.method.name == own] for own in (method, rival))
            pairs += [_measured_gain(*pair) for pair in product(ours, theirs)]
    return pairs


def _measured_gain(ours: tuple[str, Row], theirs: tuple[str, Row]) -> dict[str, Any]:
    from vgmae_bench.compare.paired import aligned, by_clip

    first = ours[1]
    table = aligned([first, theirs[1]], "average_jaccard").dropna()
    sums, _, clips = by_clip(table, table.to_numpy(dtype=float))
    means = 100 * sums.sum(axis=0) / max(1, len(table))
    low, high = interval(sums[:, :1], sums[:, 1:])
    gains = [finite(round(float(100 * (ratio - 1)), 3)) for ratio in (means[0] / means[1], low[0], high[0])]
    sides = [
        {"method": name, "run": str(row.run.path), "AJ": round(float(mean), 3)}
        for (name, row), mean in zip((ours, theirs), means, strict=True)
    ]
    return {
        "dataset": first.dataset,
        "protocol": first.protocol,
        "clips": len(clips),
        "coverage": first.clips,
        "gain": gains[0],
        "ci95": gains[1:],
        "numerator": sides[0],
        "denominator": sides[1],
    }


def _protocols(fitting: Sequence[ValuePair]) -> list[dict[str, str]]:
    columns = ("method", "protocol", "query_mode", "differs")
    rows = (row for pair in fitting for row in (pair.numerator, pair.denominator))
    found = {tuple(getattr(row, column) for column in columns) for row in rows}
    return [dict(zip(columns, values, strict=True)) for values in sorted(found)]


def _verdict(claim: Claim, fitting: Sequence[ValuePair], described: ValuePair | None, ours: Sequence[Published]) -> str:
    sentences = [] if fitting else [f"No pair of published values gives {claim.stated:+.1f} %."]
    same: dict[tuple[Any, ...], list[ValuePair]] = {}
    for pair in fitting:
        values = (pair.numerator.value(pair.metric), pair.denominator.value(pair.metric))
        same.setdefault((pair.numerator, *values, pair.self_supervised, pair.same_protocol), []).append(pair)
    for group in same.values():
        pair = group[0]
        kinds = [] if pair.self_supervised else ["not between self-supervised methods"]
        kinds += [] if pair.same_protocol else ["not by one protocol"]
        sentences.append(f"{_arithmetic(group)}{': ' if kinds else ''}{', and '.join(kinds)}.")
        for other in ours:
            again = ValuePair(pair.metric, other, pair.denominator)
            if other.method == pair.numerator.method and abs(again.gain - pair.gain) > 0.05:
                value = f"{other.value(pair.metric):.1f} in {other.source}"
                sentences.append(f"The first value is {value}, which would give {again.gain:+.1f} %.")
    if described and described not in fitting:
        sentences.append(f"Between the self-supervised trackers the same tables have {_arithmetic([described])}.")
    return " ".join(sentences)


def _arithmetic(group: Sequence[ValuePair]) -> str:
    """For example "75.1 / 55.8 = +34.6 % AJ, Video-GMAE-L fine-tuned (videogmae-release) over CoTracker3 (tapvid-first)"."""
    pair = group[0]
    rivals = " or ".join(dict.fromkeys(_with_protocol(one.denominator) for one in group))
    gain = f"{pair.quotient} = {pair.gain:+.1f} % {HEADLINE[pair.metric]}"
    return f"{gain}, {_with_protocol(pair.numerator)} over {rivals}"


def _with_protocol(row: Published) -> str:
    return f"{row.method} ({row.protocol or f'protocol {row.query_mode}'})"


def _row_as_json(row: Published, metric: str) -> dict[str, Any]:
    kept = ("method", "supervision", "dataset", "query_mode", "protocol", "differs", "source", "evidence")
    return {"value": row.value(metric)} | {name: getattr(row, name) for name in kept}
