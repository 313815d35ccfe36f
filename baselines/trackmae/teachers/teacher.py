"""Who says how points move: tracks of a grid of points through clips, from a tracker chosen by name.

Positions are raster pixels (x, y) of the clip, pixel centres at +0.5. Grid points are the centres of the cells of a G x G
division of the first frame, row by row: at 224 pixels and G = 14 the centres of 16-pixel patches, pixel indices 7.5 + 16 k.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.data.files.root import cache_folder
from vgmae_bench.errors import UnknownNameError
from vgmae_bench.plugins import did_you_mean

TeacherName = Literal["lucas-kanade", "ground-truth", "cotracker3"]


class TeacherTracks(NamedTuple):
    """Where the N = G * G points of a grid over the first frame go.

    Attributes:
        xy: float32 [B, N, T, 2] raster pixels, known (or guessed) where a point is hidden, too.
        visible: bool [B, N, T].
    """

    xy: Tensor
    visible: Tensor


class Teacher(Protocol):
    """Follows a grid of points through clips."""

    def tracks(self, video: Tensor, seeds: tuple[int, ...], grid: int) -> TeacherTracks:
        """Tracks of the grid x grid points, on the device of the video.

        Arguments:
            video: uint8 [B, T, H, W, 3] RGB, whole clips as their source made them.
            seeds: of the clips, see `vgmae_bench.training.recipe.Batch`.
        """
        ...

    def describe(self) -> Json:
        """What the tracks of a clip depend on besides the clip and the grid."""
        ...


def open_teacher(
    name: str,
    *,
    seed: int = 0,
    speed: float = 1.0,
    cache: bool = True,
    cache_dir: Path | None = None,
    cache_mb: int = 4096,
    device: str = "cpu",
) -> Teacher:
    """The teacher of that name.

    Arguments:
        name: "lucas-kanade" needs no weights and learns nothing; "ground-truth" knows the scenes of synthetic clips, an
            oracle; "cotracker3" is a network that was trained on labels.
        seed, speed: of the training whose synthetic clips "ground-truth" is asked about.
        cache: keep the tracks of each clip on disk. Those of "ground-truth" are not kept: they cost next to nothing.
        cache_dir: where; None: in the user's cache folder.
        cache_mb: nothing is kept beyond this size.
        device: for "cotracker3".

    Raises:
        UnknownNameError: there is no such teacher.
        PluginError: "cotracker3" is not installed.
    """
    if name == "ground-truth":
        from .ground_truth import GroundTruth

        return GroundTruth(seed, speed)
    teacher: Teacher
    if name == "lucas-kanade":
        from .flow_teacher import FlowTeacher

        teacher = FlowTeacher()
    elif name == "cotracker3":
        from .cotracker3 import CoTracker3

        teacher = CoTracker3.from_hub(device)
    else:
        names = get_args(TeacherName)
        raise UnknownNameError(
            f'There is no teacher "{name}"', did_you_mean(name, names) or f"there are: {', '.join(names)}"
        )
    if not cache:
        return teacher
    from .track_cache import CachedTeacher

    return CachedTeacher(teacher, cache_dir or cache_folder() / "teacher-tracks", cache_mb)


def grid_points(height: int, width: int, grid: int) -> Tensor:
    """float32 [grid * grid, 2]: the centres of the cells of a frame of that size."""
    share = (torch.arange(grid) + 0.5) / grid
    y, x = torch.meshgrid(share * height, share * width, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def crop_tracks(tracks: TeacherTracks, boxes: Tensor, size: tuple[int, int], out_size: int, grid: int) -> TeacherTracks:
    """What tracks over whole frames say about crops: the tracks of a grid over each crop.

    A point of the crop's grid moves like the grid points around it in the whole frame (bilinear; beyond the outermost ones,
    like those), so it pays to have a finer grid there. It is visible while most of them are, by weight, and in the crop.

    Arguments:
        tracks: of whole frames.
        boxes: [B, 4], the crops' x, y, width and height in units of the frame.
        size: (height, width) of the whole frames, pixels.
        out_size: side of the square that crops are resampled to, pixels.
        grid: points along a side of the crop.

    Returns:
        Raster pixels of the resampled crops.
    """
    B, N, T, _ = tracks.xy.shape
    side = round(N**0.5)
    device = tracks.xy.device
    frame = torch.tensor([size[1], size[0]], device=device, dtype=torch.float32)
    moved = tracks.xy - grid_points(*size, side).to(device)[:, None]
    corner, extent = boxes.to(device, torch.float32)[:, None].split(2, dim=-1)
    places = corner + extent * grid_points(1, 1, grid).to(device)  # [B, grid * grid, 2], units of the frame
    maps = torch.cat([moved, tracks.visible[..., None].float()], dim=-1)
    maps = maps.flatten(2).transpose(1, 2).reshape(B, 3 * T, side, side)
    read = F.grid_sample(maps, places[:, None] * 2 - 1, padding_mode="border", align_corners=False)
    motion, seen = read[:, :, 0].transpose(1, 2).reshape(B, -1, T, 3).split([2, 1], dim=-1)
    xy = ((places * frame)[:, :, None] + motion - (corner * frame)[:, None]) / (extent * frame)[:, None] * out_size
    inside = ((xy >= 0) & (xy < out_size)).all(dim=-1)
    return TeacherTracks(xy, inside & (seen[..., 0] > 0.5))
