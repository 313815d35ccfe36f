"""Plots of runs as pictures inside a page, with a cache, so that the next report of the same runs is fast.

The name of a file in the cache is a digest of everything that determines a plot: its name, the runs' records and scores,
and the code and data of `vgmae_bench.compare`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib

from vgmae_bench.compare.plots import NAMES, make_plot
from vgmae_bench.compare.plots.style import RC
from vgmae_bench.compare.row import Row
from vgmae_bench.errors import StorageError, UserError
from vgmae_bench.files import cache_folder, file_digest, write_atomically

_log = logging.getLogger(__name__)

SHOWN = ("thresholds", "clips", "occlusion", "cost")
"""The plots of each section. "curves" shows trainings, so it is in no report."""
CLAIMS = ("bars",)
"""The plots at the end: claims on all datasets side by side."""

MOST_KEPT = 256
"""The largest number of plots in the cache. Older ones are deleted."""
DECIDING = ("record.json", "summary.json", "metrics.csv", "metrics_over_time.csv")
"""The files of a run that plots read."""

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


def picture_path(name: str, rows: Sequence[Row]) -> Path:
    """Where a plot of these runs is kept.

    Arguments:
        name: the plot's name.
        rows: the runs; their order counts.
    """
    files = [row.run.path / file for row in rows for file in DECIDING]
    digests = [file_digest(file) if file.is_file() else "none" for file in files]
    digest = hashlib.sha256(" ".join([name, matplotlib.__version__, _code(), *digests]).encode()).hexdigest()
    return cache_folder() / "pictures" / f"{digest[:32]}.json"


def read_picture(path: Path) -> dict[str, str] | None:
    """The texts that `keep_picture` wrote; None if there are none, or the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()) else None


def keep_picture(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts into the cache. If the folder cannot be written to, the next report makes the plot again."""
    with contextlib.suppress(OSError, StorageError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: temporary.write_text(json.dumps(texts), encoding="utf-8"))
        kept = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-MOST_KEPT]:
            file.unlink(missing_ok=True)


@cache
def _code() -> str:
    """A digest of the files of `vgmae_bench.compare`: source, published numbers, claims and palette."""
    files = sorted(file for file in Path(__file__).parents[1].rglob("*.*") if file.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
