"""Plots of runs as pictures inside a page."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from typing import Any

import matplotlib

from vgmae_bench.compare.plots import NAMES, make_plot
from vgmae_bench.compare.plots.style import RC
from vgmae_bench.compare.report.kept import keep_picture, picture_path, read_picture
from vgmae_bench.compare.row import Row
from vgmae_bench.errors import UserError

_log = logging.getLogger(__name__)

SHOWN = ("thresholds", "clips", "occlusion", "cost")
"""The plots of each section. "curves" shows trainings, so it is in no report."""
CLAIMS = ("bars",)
"""The plots at the end: claims on all datasets side by side."""


Picture = dict[str, str]
"""A plot: name, caption, and two data URIs: image (an SVG with its text as outlines) and data (its numbers as CSV)."""


def pictures(rows: Sequence[Row], names: Sequence[str]) -> list[Picture]:
    """Plots of runs, made now or kept from an earlier report.

    A plot is left out if the runs lack its data. The log says why.
    """
    made = []
    for name in names:
        path = picture_path(name, rows)
        if kept := read_picture(path):
            made.append(kept)
            continue
        try:
            made.append(_make(name, rows))
        except UserError as error:
            if len(rows) > 1 or name != "clips":  # a single run has no partner
                _log.warning(f"no plot of {name}: {error.reason}")
        else:
            keep_picture(path, made[-1])
    return made


def _make(name: str, rows: Sequence[Row]) -> Picture:
    # A fixed salt: the same runs give the same bytes.
    settings: Any = {**RC, "svg.fonttype": "path", "svg.hashsalt": "vgmae-bench"}
    svg = io.BytesIO()
    with matplotlib.rc_context(settings):
        plot = make_plot(name, rows)
        plot.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    table = plot.table.to_csv(index=False, lineterminator="\n")
    image, data = _uri("image/svg+xml", svg.getvalue()), _uri("text/csv", table.encode())
    return {"name": name, "caption": NAMES[name][0].upper() + NAMES[name][1:] + ".", "image": image, "data": data}


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
