"""Every pair of values behind the headline claims: stated, published and measured gains, one panel per dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vgmae_bench.compare.claims import Claim, ValuePair, check_claim, claims, measured_gains
from vgmae_bench.compare.plots.style import BLUE, GREEN, INK, SKY, VERMILION, Plot, write_caption
from vgmae_bench.compare.published import BENCHMARKS, Published
from vgmae_bench.compare.row import Row

LOOKS = {
    "printed": ("stated by the authors", VERMILION, "////"),
    "recomputed": ("published, both methods self-supervised", BLUE, ""),
    "recomputed, labels": ("published, trained with track labels", SKY, "...."),
    "measured": ("measured here by one protocol, 95 % interval", GREEN, "xxxx"),
}
"""Kinds of bars: names in the legend, colours and hatches."""
LONGEST = 36
"""Characters of a label that go on one line."""


@dataclass(frozen=True)
class AuditBar:
    """A relative gain in average Jaccard, in percent; NaN if there is none.

    Attributes:
        kind: one of `LOOKS`.
        label, note: the text left and right of the bar.
        low, high: the ends of its 95 % interval.
        protocols: the protocols of the two values.
    """

    kind: str
    label: str
    note: str
    gain: float = math.nan
    low: float = math.nan
    high: float = math.nan
    protocols: str = ""


def plot_bars_audit(rows: Sequence[Row], dataset: str | None = None) -> Plot:
    """Plot one panel of bars per claim, and per other dataset on which both methods have runs.

    Arguments:
        rows: runs of any methods. Every pair of a run of the method and a run of its rival on the same queries is a
            bar.
        dataset: plot only this dataset.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
    """
    blocks = {claim.dataset: [_stated(claim), *_published(claim)] for claim in claims()}
    pairs = measured_gains(rows)
    for claim in claims():
        if claim.dataset not in {pair["dataset"] for pair in pairs}:
            blocks[claim.dataset].append(
                AuditBar("measured", "measured here", "no runs of both methods by one protocol")
            )
    for pair in pairs:
        blocks.setdefault(pair["dataset"], []).append(_measured(pair))
    blocks = {name: block for name, block in blocks.items() if dataset in (None, name)}
    table = pd.DataFrame([{"dataset": name} | asdict(bar) for name, block in blocks.items() for bar in block])
    return Plot(_figure(blocks), table)


def _stated(claim: Claim) -> AuditBar:
    """The number as its authors print it, with the published values that give it."""
    rivals: dict[str, list[str]] = {}
    protocols = []
    for pair in check_claim(claim)["cells"]:
        ours, theirs = pair["numerator"], pair["denominator"]
        named = rivals.setdefault(
            f"{ours['value']:.1f} / {theirs['value']:.1f}, {_short(claim, ours['method'])} over ", []
        )
        if not any(theirs["method"].startswith(name) for name in named):  # variants of one method
            named.append(theirs["method"])
        protocols.append(f"{ours['protocol']} / {theirs['protocol'] or 'undetermined'}")
    note = "; ".join(arithmetic + ", ".join(names) for arithmetic, names in rivals.items())
    note = note or "no published values give it"
    return AuditBar("printed", "stated", note, claim.stated, protocols="; ".join(dict.fromkeys(protocols)))


def _published(claim: Claim) -> list[AuditBar]:
    """Every published value of the method over that of the rival's row."""
    ours, others = claim.rows
    pairs = [
        ValuePair("average_jaccard", one, other)
        for other in others
        if other.method == claim.rival_row and other.AJ
        for one in ours
        if one.AJ
    ]
    return [
        AuditBar(
            "recomputed" if pair.self_supervised else "recomputed, labels",
            f"{_short(claim, pair.numerator.method)} over {claim.rival_row}",
            f"{float(pair.numerator.AJ):.1f} / {float(pair.denominator.AJ):.1f}{_where(pair.numerator)}",
            pair.gain,
            protocols=f"{pair.numerator.protocol} / {pair.denominator.protocol or 'undetermined'}",
        )
        for pair in pairs
    ]


def _measured(pair: Mapping[str, Any]) -> AuditBar:
    ours, theirs = pair["numerator"], pair["denominator"]
    gain, low, high = (math.nan if value is None else value for value in (pair["gain"], *pair["ci95"]))
    return AuditBar(
        "measured",
        f"{ours['method']} over {theirs['method']}",
        f"{ours['AJ']:.1f} / {theirs['AJ']:.1f}, {pair['protocol']}, {pair['coverage']} clips",
        gain,
        low,
        high,
        protocols=f"{pair['protocol']} / {pair['protocol']}",
    )


def _short(claim: Claim, method: str) -> str:
    """ "L fine-tuned" for "Video-GMAE-L fine-tuned"."""
    return method.removeprefix(claim.published).lstrip(" -")


def _where(row: Published) -> str:
    """Tells apart several published values of one method."""
    table = row.dataset.removeprefix(row.benchmark).strip(" ()")
    source = row.source.removeprefix("https://www.") if row.source != row.paper else ""
    return "".join(f", {told}" for told in (table, source) if told)


def _figure(blocks: Mapping[str, Sequence[AuditBar]]) -> Figure:
    heights = [0.4 + sum(map(_height, block)) for block in blocks.values()]
    width = float(matplotlib.rcParams["figure.figsize"][0])
    size = (width, 0.165 * sum(heights) + 0.42 * len(blocks) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(blocks), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, block) in zip(panels, blocks.items(), strict=True):
        _plot_panel(axes, block)
        axes.set_title(BENCHMARKS.get(name, name), weight="bold")
    panels[-1].set_xlabel("relative gain in AJ, %")
    handles = [Patch(fc=colour, hatch=hatch, ec="white", lw=0, label=label) for label, colour, hatch in LOOKS.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=7)
    write_caption(
        figure,
        "Gain: quotient of two average Jaccards (right), minus one. Each panel has an axis of its own. Only measured bars "
        "compare runs of one protocol; their intervals come from resampling clips, the same for both runs. The CSV file has "
        "the protocols of every bar.",
    )
    return figure


def _plot_panel(axes: Any, block: Sequence[AuditBar]) -> None:
    beside: Any = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": "center", "color": INK}
    ticks: dict[float, str] = {}
    below = 0.0
    for bar in block:
        y, below = below + _height(bar) / 2, below + _height(bar)
        ticks[y] = _wrapped(bar.label)
        _plot_bar(axes, bar, y)
        value = "" if math.isnan(bar.gain) else f"{bar.gain:+.1f} %".replace("-", "−")
        axes.annotate(value, (1, y), (40, 0), ha="right", fontsize=7, **beside)
        axes.annotate(bar.note, (1, y), (46, 0), fontsize=6.5, **beside)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_ylim(below + 0.2, -0.2)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)


def _wrapped(label: str) -> str:
    """The label on two lines if one line would leave no room for the bars."""
    return label if len(label) <= LONGEST else label.replace(" over ", "\nover ")


def _height(bar: AuditBar) -> float:
    return 1 + 0.8 * _wrapped(bar.label).count("\n")


def _plot_bar(axes: Any, bar: AuditBar, y: float) -> None:
    _, colour, hatch = LOOKS[bar.kind]
    if not math.isnan(bar.gain):
        axes.barh(y, bar.gain, 0.8, color=colour, hatch=hatch, ec="white", lw=0)
        axes.plot([bar.gain] * 2, [y - 0.4, y + 0.4], color=colour, lw=1.6, solid_capstyle="butt")  # shows even 0.2 %
    if not math.isnan(bar.low):
        error = [[max(0.0, bar.gain - bar.low)], [max(0.0, bar.high - bar.gain)]]
        axes.errorbar(bar.gain, y, xerr=error, color="black", capsize=2, lw=1)
