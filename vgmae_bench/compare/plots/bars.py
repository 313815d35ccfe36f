"""Headline claims as bars: the gain that authors state, the published gain between self-supervised methods, the measured gain.

`bars_audit` shows every pair of values behind them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from vgmae_bench.compare.claims import Claim, arithmetic_of, as_described, check_claim, claims, measured_gains
from vgmae_bench.compare.paired import fewest_clips
from vgmae_bench.compare.plots.style import BLUE, GREEN, INK, ONE_COLUMN, VERMILION, Plot, write_caption
from vgmae_bench.compare.published import BENCHMARKS
from vgmae_bench.compare.row import Row
from vgmae_bench.compare.selection import Names, listed
from vgmae_bench.errors import UnknownNameError

LOOKS = {
    "stated": ("stated by the authors", VERMILION, "////"),
    "published": ("published, both self-supervised", BLUE, ""),
    "measured": ("measured here, 95 % interval", GREEN, "xxxx"),
}
"""Kinds of bars: names in the legend, colours and hatches."""
CAP = 1.6
"""Points: the thickness of the line at the end of a bar."""
B = TypeVar("B")


@dataclass(frozen=True)
class Bar:
    """A relative gain in average Jaccard, in percent.

    Attributes:
        kind: one of `LOOKS`.
        source: the two values and where they come from.
        low, high: the ends of its 95 % interval; NaN if there is none.
    """

    kind: str
    gain: float
    source: str
    low: float = math.nan
    high: float = math.nan


def plot_bars(rows: Sequence[Row], dataset: Names = ()) -> Plot:
    """Plot one group of bars per claim, and per other dataset on which both methods have runs.

    Arguments:
        rows: runs of any methods. The best runs of the two methods give the measured bar.
        dataset: plot only these datasets.

    Raises:
        BadDataError: a metrics.csv is missing or damaged.
        UnknownNameError: one of these datasets has no bars.
    """
    pairs = [pair for pair in measured_gains(rows) if pair["gain"] is not None]
    groups = {claim.dataset: _claim_bars(claim) for claim in claims()}
    left_out = []
    for name in dict.fromkeys(pair["dataset"] for pair in pairs):
        best = max((pair for pair in pairs if pair["dataset"] == name), key=_best_runs)
        # Without a claim, a dataset gets a bar only if a sign-flip test of two runs can reach the 5 % level.
        if name in groups or best["clips"] >= fewest_clips(2):
            groups.setdefault(name, []).append(_measured_bar(best))
        else:
            left_out.append(f"{name} ({best['clips']} clips)")
    groups = only(groups, listed(dataset))
    table = pd.DataFrame([{"dataset": name} | asdict(bar) for name, bars in groups.items() for bar in bars])
    return Plot(_figure(groups, [] if dataset else left_out), table)


def _claim_bars(claim: Claim) -> list[Bar]:
    bars = [Bar("stated", claim.stated, arithmetic_of(check_claim(claim)["cells"], " or "))]
    if pair := as_described(claim):
        source = f"{pair.quotient}, {pair.numerator.method} over {pair.denominator.method}"
        bars.append(Bar("published", round(pair.gain, 3), source))
    return bars


def _best_runs(pair: Mapping[str, Any]) -> tuple[int, bool, float]:
    """Sort key for pairs of runs: many clips, query mode "first", good runs of both methods."""
    sides = pair["numerator"]["AJ"] + pair["denominator"]["AJ"]
    return pair["clips"], pair["protocol"] == "tapvid-first", sides


def _measured_bar(pair: Mapping[str, Any]) -> Bar:
    ours, theirs = pair["numerator"], pair["denominator"]
    low, high = (math.nan if value is None else value for value in pair["ci95"])
    source = f"{ours['AJ']:.1f} / {theirs['AJ']:.1f}, {ours['method']} over {theirs['method']}"
    return Bar("measured", pair["gain"], f"{source}, {pair['protocol']}, {pair['coverage']} clips", low, high)


def _figure(groups: Mapping[str, Sequence[Bar]], left_out: Sequence[str]) -> Figure:
    width = float(matplotlib.rcParams["figure.figsize"][0])
    figure = Figure(figsize=(width, 3.3), layout="constrained")
    axes: Any = figure.subplots()
    values = [value for bars in groups.values() for bar in bars for value in (bar.gain, bar.low, bar.high)]
    known = [0.0, *(value for value in values if not math.isnan(value))]
    room = 0.12 * (max(known) - min(known) + 1)
    axes.set_ylim(min(known) - room, max(known) + room)
    place, ticks = 0.0, {}
    for name, bars in groups.items():
        ticks[place + (len(bars) - 1) / 2] = _short(name)
        for bar in bars:
            _plot_bar(axes, bar, place, size=7.5 if width >= ONE_COLUMN else 6.5)
            place += 1
        place += 0.6
    axes.axhline(0, color="black", lw=0.8)
    axes.set(ylabel="relative gain in AJ, %", xlim=(-0.8, place - 0.8))
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    shown = {bar.kind for bars in groups.values() for bar in bars}
    handles = [
        Patch(fc=colour, hatch=hatch, ec="white", lw=0, label=label)
        for kind, (label, colour, hatch) in LOOKS.items()
        if kind in shown
    ]
    axes.legend(handles=handles, loc="upper right", fontsize=7, borderaxespad=0)
    write_caption(figure, *_caption(groups, left_out))
    return figure


def _plot_bar(axes: Any, bar: Bar, place: float, size: float) -> None:
    _, colour, hatch = LOOKS[bar.kind]
    axes.bar(place, bar.gain, 0.86, color=colour, hatch=hatch, ec="white", lw=0)
    # The end of the bar as a line makes gains of 0.2 % visible. It lies inside of long bars, and outside of flat ones.
    low, high = axes.get_ylim()
    outward = (1 if bar.gain >= 0 else -1) * (1 if abs(bar.gain) < 0.02 * (high - low) else -1)
    aside = ScaledTranslation(0, outward * CAP / 2 / 72, axes.figure.dpi_scale_trans)
    ends = [place - 0.43, place + 0.43]
    axes.plot(ends, [bar.gain] * 2, color=colour, lw=CAP, solid_capstyle="butt", transform=axes.transData + aside)
    end = bar.gain
    if not math.isnan(bar.low):
        error = [[max(0.0, bar.gain - bar.low)], [max(0.0, bar.high - bar.gain)]]
        axes.errorbar(place, bar.gain, yerr=error, color="black", capsize=2, lw=1)
        end = bar.low if bar.gain < 0 else bar.high
    text = f"{bar.gain:+.1f}".replace("-", "−")
    up = bar.gain >= 0
    at: Any = {"textcoords": "offset points", "ha": "center", "va": "bottom" if up else "top", "color": INK}
    axes.annotate(text, (place, end), (0, 2.5 if up else -2.5), fontsize=size, **at)


def _caption(groups: Mapping[str, Sequence[Bar]], left_out: Sequence[str]) -> list[str]:
    """The values that the bars divide, and the bars that compare runs of one protocol."""
    known = [claim for claim in claims() if claim.dataset in groups]
    lines = []
    for kind, (label, *_) in LOOKS.items():
        sources = {name: [bar.source for bar in bars if bar.kind == kind] for name, bars in groups.items()}
        values = [f"{_short(name)} {source}" for name, listed in sources.items() for source in listed]
        if values:
            lines.append(f"{label.partition(',')[0].capitalize()}: {'; '.join(values)}.")
    pairs = [pair for claim in known if (pair := as_described(claim))]
    if not all(pair.same_protocol for pair in pairs):
        lines.append("The methods of published bars were scored by different protocols: see `plot bars --audit`.")
    missing = [claim.dataset for claim in known if all(bar.kind != "measured" for bar in groups[claim.dataset])]
    if missing:
        lines.append(f"No runs here: {', '.join(map(_short, missing))}.")
    if left_out:
        lines.append(f"Too few clips to show: {', '.join(left_out)}.")
    return lines


def only(groups: Mapping[str, list[B]], datasets: Sequence[str]) -> dict[str, list[B]]:
    """The groups of these datasets; without datasets, all. Raises UnknownNameError for a dataset without bars."""
    for name in datasets:
        if name not in groups:
            why = f"A dataset needs a claim, or enough clips with runs of both methods: {', '.join(groups)}"
            raise UnknownNameError(f"There are no bars for {name}", why, try_="vgmae-bench claims")
    return {name: bars for name, bars in groups.items() if not datasets or name in datasets}


def _short(dataset: str) -> str:
    return BENCHMARKS.get(dataset, dataset).removeprefix("TAP-Vid-")
