"""`vgmae-bench track`: tracks points through your own video."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, data_alone_on_stdout, say, say_method
from vgmae_bench.errors import UsageError

if TYPE_CHECKING:
    from vgmae_bench.types import Queries, Size

_SHORTER_SIDE = 512
_MUCH_MEMORY = 2e9
_MASK_GRID = 16


class _HeightByWidth(click.ParamType[Any]):
    name = "HxW"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        height, _, width = value.lower().replace("×", "x").partition("x")
        if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
            self.fail(f'"{value}" is not a size; sizes look like 256x448, height first', param, ctx)
        return int(height), int(width)


@command(
    "vgmae-bench track dog.mp4 --method lucas-kanade --grid 12 --out dog",
    "vgmae-bench track dog.mp4 --method videogmae --points 0,640,360 40,700,380.5 --scene --out dog",
    "vgmae-bench track frames/ --method ./my_tracker.py:MyTracker --mask first_frame.png --out out",
)
@click.argument("video", type=click.Path(exists=True, path_type=Path))
@click.argument("more_points", nargs=-1, metavar="")
@options.method()
@click.option("--grid", type=click.IntRange(min=1), metavar="N", help="Track N × N points, spread over frame 0.")
@click.option("--points", multiple=True, metavar="T,X,Y …", help="Points: frame (from 0), x, y in pixels of the video.")
@click.option(
    "--mask",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="IMAGE",
    help=f"Track points in the non-black area of this image of frame 0, on a --grid of {_MASK_GRID} over it.",
)
@options.weights()
@options.settings()
@options.ask
@options.checkout
@options.device
@options.seed()
@click.option(
    "--size",
    type=_HeightByWidth(),
    help=f"Size of the frames that the method gets.  [default: in proportion, shorter side at most {_SHORTER_SIDE}]",
)
@click.option("--allow-truncated", is_flag=True, help="Use the readable frames of an incomplete or damaged file.")
@click.option("--max-frames", type=click.IntRange(min=1), metavar="N", help="Stop after N frames.")
@click.option(
    "--scene",
    "with_scene",
    is_flag=True,
    help="Also write the method's scene: flow, Gaussian centres, reconstruction (scene.h5 and mp4 files).",
)
@options.out("Folder for tracks.csv, tracks.h5, tracks.mp4 and record.json. Replaces older ones.", required=True)
def track(video: Path, size: Size | None, max_frames: int | None, with_scene: bool, out: Path, **rest: Any) -> None:
    """Track points through VIDEO: a file (mp4, mkv, webm, gif …) or a folder of frame images, of any length and size.

    Points are tracked forward and backward from their query frame. tracks.mp4 shows visible points as dots and hidden
    points as rings, each with its recent path.
    """
    from vgmae_bench import provenance
    from vgmae_bench.api.own_video import OUTPUTS, SCENE_OUTPUTS, track_video, write_tracks
    from vgmae_bench.data.video.file import open_video
    from vgmae_bench.evaluation.method import open_method
    from vgmae_bench.evaluation.records.others import TrackRecord, VideoUsed
    from vgmae_bench.evaluation.records.results import Session
    from vgmae_bench.files import file_digest

    outputs = OUTPUTS + SCENE_OUTPUTS * with_scene
    if video.resolve() in [(out / name).resolve() for name in outputs]:
        raise UsageError(f"{video} would be replaced by its own tracks", "", try_="another folder with --out DIR")
    opened = open_video(video, allow_truncated=rest.pop("allow_truncated"))
    height, width = opened.size
    points = {name: rest.pop(name) for name in ("points", "more_points", "grid", "mask")}
    queries, chosen_by = _queries(opened.size, **points)
    with data_alone_on_stdout():
        used = open_method(rest.pop("method"), **rest)
    seen = size or _working_size(opened.size)
    num_frames = min(opened.num_frames, max_frames or opened.num_frames)
    memory = num_frames * seen[0] * seen[1] * 3
    say_method(used.used, used.device)
    say(f"video     {video.name}, {width}×{height}, about {num_frames} frames, {float(opened.fps):.4g} frames a second")
    say(f"points    {len(queries)}: {chosen_by}")
    much = f": the frames take {memory / 1e9:.1f} GB; --size or --max-frames take less" * (memory > _MUCH_MEMORY)
    say(f"works at  {seen[1]}×{seen[0]}{much}")

    start = time.perf_counter()
    with data_alone_on_stdout():
        tracks, scene, seconds = track_video(used, opened, queries, seen, max_frames, with_scene=with_scene)
    tracked = time.perf_counter()
    say(f"tracking took {seconds:.1f} s; peak memory {provenance.peak_memory_mb():.0f} MB")
    frames, digest = tracks.visible.shape[1], file_digest(video) if video.is_file() else None
    record = TrackRecord(
        method=used.used,
        video=VideoUsed(video.name, digest, opened.size, float(opened.fps), frames),
        input_size=seen,
        points=len(queries),
        points_from=chosen_by,
        seconds=seconds,
        peak_memory_mb=provenance.peak_memory_mb(),
        session=Session.now(used.device, provenance.command_line()),
    )
    write_tracks(out, opened, queries, tracks, record, scene)
    drawing = time.perf_counter() - tracked
    say(
        f"time      reading {tracked - start - seconds:.1f} s, tracking {seconds:.1f} s, drawing and writing {drawing:.1f} s"
    )
    for name in outputs:
        if (out / name).exists():  # a single frame has no flow
            click.echo(out / name)


def _queries(
    size: Size, points: tuple[str, ...], more_points: tuple[str, ...], grid: int | None, mask: Path | None
) -> tuple[Queries, str]:
    """What to track, and how it was chosen in words."""
    from vgmae_bench.data.tapvid.points import grid_points, mask_points, typed_points

    if more_points and not points:
        raise UsageError(f'"{more_points[0]}" is one argument too many', "there is one VIDEO")
    if points and (grid or mask):
        raise UsageError("Two kinds of points are given", "--points cannot be combined with --grid and --mask")
    if points:
        # Both `--points A B` and `--points A --points B` work.
        texts = [text for given in (*points, *more_points) for text in given.split()]
        return typed_points(texts, size), "typed"
    if mask:
        count = grid or _MASK_GRID
        return mask_points(mask, count, size), f"a {count} × {count} grid over {mask.name}, those in its foreground"
    if grid:
        return grid_points(grid, size), f"a {grid} × {grid} grid"
    raise UsageError("There are no points to track", "give them with --points, --grid or --mask", try_="--grid 10")


def _working_size(size: Size) -> Size:
    """`size` in proportion, the shorter side being at most `_SHORTER_SIDE`."""
    scale = min(_SHORTER_SIDE / min(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
