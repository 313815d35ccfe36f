"""Every pair of values behind the headline claims: stated, published and measured gains, one panel per dataset."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vgmae_bench.compare.claims import Claim, ValuePair, arithmetic_of, check_claim, claims, measured_gains
from vgmae_bench.compare.plots.bars import only
from vgmae_bench.compare.plots.style import BLUE, GREEN, INK, ONE_COLUMN, SKY, VERMILION, Plot, tied, write_caption
from vgmae_bench.compare.published import BENCHMARKS, Published
from vgmae_bench.compare.row import Row
from vgmae_bench.compare.selection import Names, listed

LOOKS = {
    "printed": ("stated by the authors", VERMILION, "////"),
    "recomputed": ("published, both methods self-supervised", BLUE, ""),
    "recomputed, labels": ("published, trained with track labels", SKY, "...."),
    "measured": ("measured here by one protocol, 95 % interval", GREEN, "xxxx"),
}
"""Kinds of bars: names in the legend, colours and hatches."""
LONGEST, LONGEST_NOTE = 36, 42
"""Characters of a label and of a note that go on one line."""


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


def plot_bars_audit(rows: Sequence[Row], dataset: Names = ()) -> Plot:
    """Plot one panel of bars per claim, and per other dataset on which both methods have runs.

    Arguments:
        rows: runs of any methods. Every pair of a run of the method and a run of its rival on the same queries is a
            bar.
        dataset: plot only these datasets.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
        UnknownNameError: one of these datasets has no bars.
    """
    blocks = {claim.dataset: [_stated(claim), *_published(claim)] for claim in claims()}
    for pair in measured_gains(rows):
        blocks.setdefault(pair["dataset"], []).append(_measured(pair))
    for block in blocks.values():
        if block[-1].kind != "measured":
            block.append(AuditBar("measured", "measured here", "no runs of both methods by one protocol"))
    blocks = only(blocks, listed(dataset))
    table = pd.DataFrame([{"dataset": name} | asdict(bar) for name, block in blocks.items() for bar in block])
    return Plot(_figure(blocks), table)


def _stated(claim: Claim) -> AuditBar:
    """The number as its authors print it, with the published values that give it."""
    cells = check_claim(claim)["cells"]
    sides = [(pair["numerator"]["protocol"], pair["denominator"]["protocol"] or "undetermined") for pair in cells]
    protocols = "; ".join(dict.fromkeys(f"{ours} / {theirs}" for ours, theirs in sides))
    return AuditBar("printed", "stated", arithmetic_of(cells, ", "), claim.stated, protocols=protocols)


def _published(claim: Claim) -> list[AuditBar]:
    """Every published value of the method over that of the rival's row."""
    ours, others = claim.rows
    rivals = [row for row in others if row.method == claim.rival_row]
    bars = []
    for rival, one in product(rivals, ours):
        pair = ValuePair("average_jaccard", one, rival)
        if not math.isnan(pair.gain):
            kind = "recomputed" if pair.self_supervised else "recomputed, labels"
            label, note = f"{one.method} over {rival.method}", f"{pair.quotient}{_where(one)}"
            protocols = f"{one.protocol} / {rival.protocol or 'undetermined'}"
            bars.append(AuditBar(kind, label, note, pair.gain, protocols=protocols))
    return bars


def _measured(pair: Mapping[str, Any]) -> AuditBar:
    ours, theirs = pair["numerator"], pair["denominator"]
    gain, low, high = (math.nan if value is None else value for value in (pair["gain"], *pair["ci95"]))
    label = f"{ours['method']} over {theirs['method']}"
    note = f"{ours['AJ']:.1f} / {theirs['AJ']:.1f}, {pair['protocol']}, {pair['coverage']} clips"
    return AuditBar("measured", label, note, gain, low, high, f"{pair['protocol']} / {pair['protocol']}")


def _where(row: Published) -> str:
    """Tells apart several published values of one method."""
    table = row.dataset.removeprefix(row.benchmark).strip(" ()")
    source = row.source.removeprefix("https://www.") if row.source != row.paper else ""
    return "".join(f", {text}" for text in (table, source) if text)


def _figure(blocks: Mapping[str, Sequence[AuditBar]]) -> Figure:
    width = float(matplotlib.rcParams["figure.figsize"][0])
    place = _place_beside if width >= ONE_COLUMN else partial(_place_above, characters=int(18.5 * width))
    placed = {name: [place(bar) for bar in block] for name, block in blocks.items()}
    heights = [0.4 + sum(texts.height for texts in block) for block in placed.values()]
    size = (width, 0.165 * sum(heights) + 0.42 * len(blocks) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(blocks), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, block) in zip(panels, blocks.items(), strict=True):
        _plot_panel(axes, block, placed[name])
        axes.set_title(BENCHMARKS.get(name, name), weight="bold")
    panels[-1].set_xlabel("relative gain in AJ, %")
    handles = [Patch(fc=colour, hatch=hatch, ec="white", lw=0, label=label) for label, colour, hatch in LOOKS.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=2 if width >= ONE_COLUMN else 1, fontsize=7)
    write_caption(
        figure,
        "Gain: quotient of the two average Jaccards that stand beside it, minus one. Each panel has an axis of its own. Only "
        "measured bars compare runs of one protocol; their intervals come from resampling clips, the same for both runs. The "
        "CSV file has the protocols of every bar.",
    )
    return figure


@dataclass(frozen=True)
class _Texts:
    """The texts of a bar, folded.

    Attributes:
        left, right: beside the bar.
        above: over the bar, where the figure is too narrow for texts beside it.
        bar: the height of the bar's centre below the top of its slot; height: that of the slot. Unit: one bar.
    """

    left: str
    right: str
    above: str
    bar: float
    height: float


def _value(bar: AuditBar) -> str:
    return "" if math.isnan(bar.gain) else f"{bar.gain:+.1f} %".replace("-", "−")


def _place_beside(bar: AuditBar) -> _Texts:
    left = bar.label if len(bar.label) <= LONGEST else bar.label.replace(" over ", "\nover ")
    right = textwrap.fill(tied(bar.note), LONGEST_NOTE, break_on_hyphens=False)
    height = 1 + 0.8 * max(left.count("\n"), right.count("\n"))
    return _Texts(left, right, "", height / 2, height)


def _place_above(bar: AuditBar, characters: int) -> _Texts:
    text = " ".join(part for part in (_value(bar), f"{bar.label}:", bar.note) if part)
    above = textwrap.fill(tied(text), characters, break_on_hyphens=False)
    height = 0.65 * (above.count("\n") + 1)
    return _Texts("", "", above, height + 0.6, height + 1.3)


def _plot_panel(axes: Any, block: Sequence[AuditBar], placed: Sequence[_Texts]) -> None:
    look = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "color": INK, "linespacing": 1.0}
    ground = {"fc": "white", "ec": "none", "pad": 0.4}
    ticks: dict[float, str] = {}
    top = 0.0
    for bar, texts in zip(block, placed, strict=True):
        y = top + texts.bar
        _plot_bar(axes, bar, y)
        if texts.above:
            axes.annotate(texts.above, (0, top + 0.1), (0, 0), va="top", fontsize=6, bbox=ground, zorder=4, **look)
        else:
            ticks[y] = texts.left
            axes.annotate(_value(bar), (1, y), (40, 0), ha="right", va="center", fontsize=7, **look)
            axes.annotate(texts.right, (1, y), (46, 0), va="center", fontsize=6.5, **look)
        top += texts.height
    axes.axvline(0, color="black", lw=0.8)
    axes.set_ylim(top + 0.2, -0.2)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)


def _plot_bar(axes: Any, bar: AuditBar, y: float) -> None:
    _, colour, hatch = LOOKS[bar.kind]
    if not math.isnan(bar.gain):
        axes.barh(y, bar.gain, 0.8, color=colour, hatch=hatch, ec="white", lw=0)
        axes.plot([bar.gain] * 2, [y - 0.4, y + 0.4], color=colour, lw=1.6, solid_capstyle="butt")  # shows even 0.2 %
    if not math.isnan(bar.low):
        error = [[max(0.0, bar.gain - bar.low)], [max(0.0, bar.high - bar.gain)]]
        axes.errorbar(bar.gain, y, xerr=error, color="black", capsize=2, lw=1)
