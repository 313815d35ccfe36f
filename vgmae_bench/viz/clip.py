"""Draws a clip of a dataset with its ground-truth tracks, as a contact sheet and a video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.data.video.write import write_mp4
from vgmae_bench.files import make_folder, write_atomically
from vgmae_bench.types import Clip, Size, Tracks
from vgmae_bench.viz.draw import contact_sheet, draw_frame, numbered, rainbow

SHEET_SIDE = 360
"""Pixels: the shorter side of the pictures on a contact sheet. Smaller clips keep their size."""
_BLOCK = 16  # frames in memory at a time


def show_clip(clip: Clip, out: Path, fps: Fraction = Fraction(25)) -> list[Path]:
    """Write `<clip>.png`, with eight frames, and `<clip>.mp4`, with all frames at the size of the source. Frames are numbered.

    Visible points are dots with trails. Hidden points are rings. If only some frames are annotated, the sheet shows these,
    and the video has no points on the others.

    Arguments:
        out: the folder. It is created if it does not exist.
        fps: the frame rate of clips without one.

    Returns:
        The two files.

    Raises:
        StorageError: a file cannot be written.
        BadDataError: the clip is damaged.
    """
    make_folder(out)
    files = [out / f"{clip.id}.png", out / f"{clip.id}.mp4"]
    chosen = np.arange(clip.num_frames) if clip.annotated is None else np.flatnonzero(clip.annotated)
    frames = clip.frames(_sheet_size(clip.size))[chosen]
    xy = clip.tracks(_sheet_size(clip.size)).astype(np.float32)
    shown = Tracks(xy[:, chosen], ~clip.occluded[:, chosen])
    sheet = contact_sheet(frames, shown, trail=12 if clip.annotated is None else 1, numbers=chosen)
    write_atomically(files[0], partial(Image.fromarray(sheet).save, format="PNG"))
    rate = Fraction(clip.fps).limit_denominator(1001) if clip.fps else fps
    write_atomically(files[1], partial(write_mp4, frames=_drawn(clip), fps=rate))
    return files


def _drawn(clip: Clip) -> Iterator[npt.NDArray[np.uint8]]:
    tracks = Tracks(clip.tracks().astype(np.float32), ~clip.occluded)
    colours = rainbow(tracks.xy[:, 0])
    trail = 12 if clip.annotated is None else 0
    for t, frame in enumerate(itertools.chain.from_iterable(clip.blocks(_BLOCK))):
        with_points = clip.annotated is None or clip.annotated[t]
        yield numbered(draw_frame(frame, tracks, t, colours, trail) if with_points else frame.copy(), t)


def _sheet_size(size: Size) -> Size:
    shrink = min(1.0, SHEET_SIDE / min(size))
    return round(size[0] * shrink), round(size[1] * shrink)
