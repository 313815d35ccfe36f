"""The report as one HTML file that loads nothing. This module collects its parts; templates/report.html lays them out.

Names of runs, clips and methods are untrusted text. Jinja escapes them, and escapes "<" in the players' JSON. A content
security policy allows only our script and forbids loading anything.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vgmae_bench import __version__
from vgmae_bench.compare.content import build
from vgmae_bench.compare.plots.groups import Group, groups
from vgmae_bench.compare.published import ALL, beside
from vgmae_bench.compare.report import figures, player_files
from vgmae_bench.compare.report.clips import PlayerSource, ShownClip, worst_first
from vgmae_bench.compare.row import Row, facts

MOST_LISTED = 100
"""How many clips the table of single clips has: the worst ones."""


def page(
    rows: Sequence[Row],
    *,
    title: str = "Point tracking, compared",
    clips: int = 6,
    max_points: int = 64,
    keep: bool = False,
    data_root: Path | None = None,
) -> str:
    """Make the report as HTML, with a section for each protocol. The same files give the same text.

    Arguments:
        rows: runs as `select_runs` returns them.
        clips: the most players in a section; a player needs frames and tracks.
        max_points: the most tracks in a player.
        keep: write the players' files beside the runs, small enough to commit.
        data_root: where datasets are, see `vgmae_bench.data.files.root`.

    Raises:
        BadDataError: a run's scores are damaged.
        StorageError: with `keep`, if a file cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    sections = []
    for group in groups(rows):
        source = PlayerSource(list(group.runs.values()), data_root=data_root, max_points=max_points, keep=keep)
        sections.append(_section(group, source, clips, max_points))
    templates = resources.files("vgmae_bench.compare.report") / "templates"
    style, script = (templates.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(templates.joinpath("report.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        version=__version__,
        sections=sections,
        claims=figures.pictures(rows, figures.CLAIMS),
        style=Markup(style),
        style_hash=_content_hash(style),
        script=Markup(script),
        script_hash=_content_hash(script),
    )


def _section(group: Group, source: PlayerSource, clips: int, max_points: int) -> dict[str, Any]:
    """A section of runs whose numbers compare, for the template."""
    rows, names = list(group.runs.values()), list(group.runs)
    ranked = worst_first(rows)
    shown = source.collect(ranked, clips)
    height, width = rows[0].record.protocol.metric_size
    scored = f"{len(ranked)} clip{'s' * (len(ranked) != 1)}"
    sentence = f"The worst of {scored} by AJ, averaged over the runs." if shown else "No clip can be shown here."
    if len(shown) < min(clips, len(ranked)):
        sentence += (
            f" Frames and tracks of {len(shown) or 'none'} of {scored} were available when this report was made."
        )
    rank = len(rows) > 1 and all(row.complete for row in rows)
    published = ALL if beside(rows[0].record.dataset.name, rows[0].protocol) else ""
    return {
        "name": group.title,
        "table": build(rows, rank=rank, with_published=published),
        "plots": figures.pictures(rows, figures.SHOWN),
        "players": [_player(one, rows, names, max_points) for one in shown],
        "clips_sentence": sentence,
        "raster": f"{width}×{height}",
        "by_clip": [(clip, map(_percent, values)) for clip, values in list(ranked.items())[:MOST_LISTED]],
        "clips_left_out": max(0, len(ranked) - MOST_LISTED),
        "runs": {
            name: {"run": "/".join(row.run.path.parts[-3:]), **facts(row.record, row.summary), "clips": row.clips}
            for name, row in group.runs.items()
        },
    }


def _player(shown: ShownClip, rows: Sequence[Row], names: Sequence[str], max_points: int) -> dict[str, Any]:
    """A clip with its AJ in percent by run, and the data that report.js reads.

    Sizes are (width, height); tracks are [point][frame], see `_tracks`.
    """
    clip = shown.clip
    points = player_files.spread_evenly(len(clip.query), max_points)
    scores = list(zip(names, map(_percent, shown.values), strict=True))
    data = {
        "jpegs": [_base64(jpeg) for jpeg in clip.jpegs],
        "shape": clip.shape[::-1],
        "raster": clip.raster[::-1],
        "num_frames": clip.num_frames,
        "frames": clip.frames.tolist(),
        "fps": clip.fps,
        "forward": rows[0].record.protocol.query_mode == "first",
        "labels": clip.query[points].tolist(),
        "query_frame": clip.query_frame[points].tolist(),
        "truth": _tracks(clip.truth, points),
        "methods": [{"name": names[place]} | _tracks(tracks, points) for place, tracks in shown.tracks.items()],
    }
    return {"clip": shown.id, "scores": scores, "pack": data}


def _tracks(tracks: player_files.PlayerTracks, points: npt.NDArray[np.int64]) -> dict[str, str]:
    """Positions as little-endian int16 [P, F, 2] in 1/16 px of the metric raster, visibility as uint8 [P, F]; base64."""
    xy, visible = tracks.xy[points].astype("<i2"), tracks.visible[points].astype(np.uint8)
    return {"xy": _base64(xy.tobytes()), "visible": _base64(visible.tobytes())}


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _content_hash(text: str) -> str:
    """The hash of an inline script or style for the content security policy."""
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"
