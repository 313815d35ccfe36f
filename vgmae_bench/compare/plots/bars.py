"""The paper's comparison bars: what its authors print, what the published tables give, and what was measured here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vgmae_bench.compare.claims import CHAINED, CLAIMS, OURS, Cells, Claim, check, measured
from vgmae_bench.compare.plots.style import BLUE, GREEN, INK, SKY, VERMILION, WIDTH, Plot, write_below
from vgmae_bench.compare.published import BENCHMARKS, Published, read
from vgmae_bench.compare.row import Row

LOOKS = {
    "printed": ("printed by the authors", VERMILION, "////"),
    "recomputed": ("recomputed from the tables, both methods self-supervised", BLUE, ""),
    "recomputed, labels": ("recomputed, fine-tuned or read out with labels", SKY, "...."),
    "measured": ("measured here by one protocol, 95 % interval", GREEN, "xxxx"),
}
"""Kinds of bars: their names in the legend, colours and hatches."""
LONGEST = 36
"""Characters of a label that go on one line."""


@dataclass(frozen=True)
class Bar:
    """A relative gain in average Jaccard, in percent; NaN where there is none.

    Attributes:
        kind: one of `LOOKS`.
        label, note: left and right of the bar.
        low, high: ends of its 95 % interval.
        protocols: of the two values.
    """

    kind: str
    label: str
    note: str
    gain: float = math.nan
    low: float = math.nan
    high: float = math.nan
    protocols: str = ""


def draw(rows: Sequence[Row]) -> Plot:
    """A block of bars for each of the paper's three benchmarks, and for each other dataset that both methods were run on.

    Arguments:
        rows: runs of any methods; every pair of a Video-GMAE and a GMRW run on the same questions is a bar.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
    """
    blocks = {claim.dataset: [_printed(claim), *_recomputed(claim)] for claim in CLAIMS}
    pairs = measured(rows)
    for claim in CLAIMS:
        if claim.dataset not in {pair["dataset"] for pair in pairs}:
            blocks[claim.dataset].append(Bar("measured", "measured here", "no runs of both methods by one protocol"))
    for pair in pairs:
        blocks.setdefault(pair["dataset"], []).append(_measured(pair))
    table = pd.DataFrame([{"dataset": name} | asdict(bar) for name, block in blocks.items() for bar in block])
    return Plot(_figure(blocks), table)


def _printed(claim: Claim) -> Bar:
    """The number as its authors print it, with the published cells that give it."""
    rivals: dict[str, list[str]] = {}
    protocols = []
    for cells in check(claim)["cells"]:
        ours, theirs = cells["numerator"], cells["denominator"]
        named = rivals.setdefault(f"{ours['value']:.1f} / {theirs['value']:.1f}, {_short(ours['method'])} over ", [])
        if not any(theirs["method"].startswith(name) for name in named):  # variants of one method
            named.append(theirs["method"])
        protocols.append(f"{ours['protocol']} / {theirs['protocol'] or 'undetermined'}")
    told = [arithmetic + ", ".join(names) for arithmetic, names in rivals.items()]
    note = "; ".join(told) or "no published cells give it"
    return Bar("printed", "printed", note, claim.stated, protocols="; ".join(dict.fromkeys(protocols)))


def _recomputed(claim: Claim) -> list[Bar]:
    """Every published Video-GMAE cell over GMRW's."""
    table = [row for row in read() if row.benchmark == BENCHMARKS[claim.dataset] and row.AJ]
    pairs = [
        Cells("average_jaccard", ours, theirs)
        for theirs in table
        if theirs.method == CHAINED
        for ours in table
        if ours.method.startswith(OURS)
    ]
    return [
        Bar(
            "recomputed" if cells.self_supervised else "recomputed, labels",
            f"{_short(cells.numerator.method)} over {CHAINED}",
            f"{float(cells.numerator.AJ):.1f} / {float(cells.denominator.AJ):.1f}{_where(cells.numerator)}",
            cells.gain,
            protocols=f"{cells.numerator.protocol} / {cells.denominator.protocol or 'undetermined'}",
        )
        for cells in pairs
    ]


def _measured(pair: Mapping[str, Any]) -> Bar:
    ours, theirs = pair["numerator"], pair["denominator"]
    gain, low, high = (math.nan if value is None else value for value in (pair["gain"], *pair["ci95"]))
    return Bar(
        "measured",
        f"{ours['method']} over {theirs['method']}",
        f"{ours['AJ']:.1f} / {theirs['AJ']:.1f}, {pair['protocol']}, {pair['clips']} clips",
        gain,
        low,
        high,
        protocols=f"{pair['protocol']} / {pair['protocol']}",
    )


def _short(method: str) -> str:
    """ "L fine-tuned" of "Video-GMAE-L fine-tuned"."""
    return method.removeprefix(OURS).lstrip(" -")


def _where(cell: Published) -> str:
    """Which of several readings of a cell it is."""
    table = cell.dataset.removeprefix(cell.benchmark).strip(" ()")
    source = cell.source.removeprefix("https://www.") if cell.source != cell.paper else ""
    return "".join(f", {told}" for told in (table, source) if told)


def _figure(blocks: Mapping[str, Sequence[Bar]]) -> Figure:
    lines = sum(1 + sum(map(_height, block)) for block in blocks.values())
    figure = Figure(figsize=(WIDTH, 0.165 * lines + 1.2), layout="constrained")
    axes: Any = figure.subplots()
    beside: Any = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": "center", "color": INK}
    ticks: dict[float, str] = {}
    below = 0.5
    for name, block in blocks.items():
        y = below + 0.7
        axes.annotate(BENCHMARKS.get(name, name), (0, y), (-4, 0), ha="right", weight="bold", **beside)
        below = y + 0.5
        for bar in block:
            y, below = below + _height(bar) / 2, below + _height(bar)
            ticks[y] = _wrapped(bar.label)
            _draw_bar(axes, bar, y)
            value = "" if math.isnan(bar.gain) else f"{bar.gain:+.1f} %".replace("-", "−")
            axes.annotate(value, (1, y), (40, 0), ha="right", fontsize=7, **beside)
            axes.annotate(bar.note, (1, y), (48, 0), fontsize=6.5, **beside)
    axes.axvline(0, color="black", lw=0.8)
    axes.set(ylim=(below + 0.3, 0.4), xlabel="relative gain of Video-GMAE in AJ, %")
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    handles = [Patch(fc=colour, hatch=hatch, ec="white", lw=0, label=told) for told, colour, hatch in LOOKS.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=7)
    write_below(
        figure,
        "Gain: quotient of two average Jaccards (right), less one. Published cells of Video-GMAE score the first 5 frames of "
        "random 224×224 crops (videogmae-release); those of GMRW-C are TAP-Vid strided on DAVIS and Kubric and of undetermined "
        "protocol on Kinetics. Only measured bars compare like with like; their intervals come from resampling paired clips.",
    )
    return figure


def _wrapped(label: str) -> str:
    """On two lines where it would leave the bars no room."""
    return label if len(label) <= LONGEST else label.replace(" over ", "\nover ")


def _height(bar: Bar) -> float:
    return 1 + 0.8 * _wrapped(bar.label).count("\n")


def _draw_bar(axes: Any, bar: Bar, y: float) -> None:
    _, colour, hatch = LOOKS[bar.kind]
    if not math.isnan(bar.gain):
        axes.barh(y, bar.gain, 0.8, color=colour, hatch=hatch, ec="white", lw=0)
    if not math.isnan(bar.low):
        error = [[max(0.0, bar.gain - bar.low)], [max(0.0, bar.high - bar.gain)]]
        axes.errorbar(bar.gain, y, xerr=error, color="black", capsize=2, lw=1)
