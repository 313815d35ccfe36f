"""Features of a frozen encoder, computed once for every video and cached on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vgmae_bench.ahead import made_ahead
from vgmae_bench.config import Json, digest
from vgmae_bench.downstream.actions.heads import Probed, encode
from vgmae_bench.downstream.actions.settings import ProbeConfig
from vgmae_bench.downstream.actions.videos import LabelledVideos
from vgmae_bench.downstream.actions.views import ViewConfig, views_of
from vgmae_bench.errors import BadDataError
from vgmae_bench.files import cache_folder, make_folder, write_atomically
from vgmae_bench.models.encoder import VideoEncoder
from vgmae_bench.progress.bar import Progress
from vgmae_bench.types import Uint8Array

VERSION = 1
"""Increase this if the code computes other features than before. The name of the cache folder contains it."""
CHUNK = 64
"""Videos per file of the cache. A killed process loses at most this many."""
VIEWS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Features:
    """Pooled features of the videos that could be read.

    Attributes:
        values: float32 [n, V, C] for V views of each video.
        rows: int64 [n], indices of the videos.
        skipped: the reasons why other videos could not be read, by name.
    """

    values: Tensor
    rows: Tensor
    skipped: dict[str, str]


def compute_features(probed: Probed, videos: LabelledVideos, config: ProbeConfig, device: str, title: str) -> Features:
    """Compute the mean token of every view of every video, or read it from the cache.

    Arguments:
        probed: the encoder.
        videos: the videos.
        config: its views, `final_norm` and the number of workers are used. No field is None.
        device: a torch device.
        title: the task's name in the display of progress.

    Raises:
        BadDataError: no video can be read.
        StorageError: the cache cannot be written.
    """
    depends: dict[str, Json] = {"version": VERSION, "encoder": probed.describe(), "videos": videos.digest}
    views: dict[str, Json] = {name: getattr(config, name) for name in ("sampling", "stride", "segments", "crops")}
    folder = cache_folder() / "features" / digest({**depends, **views, "final_norm": config.final_norm})[:32]
    make_folder(folder)
    probed.encoder.to(device)
    look = partial(readable_views, videos, probed.encoder, config)
    parts: list[Features] = []
    with Progress(title, "videos", len(videos.ids)) as progress:
        for start in range(0, len(videos.ids), CHUNK):
            file = folder / f"{start:08d}.safetensors"
            rows = range(start, min(start + CHUNK, len(videos.ids)))
            part = _read(file)
            kept = part is not None
            if part is None:
                with closing(made_ahead(rows, look, len(rows), config.data.workers)) as looked:
                    part = _compute(probed.encoder, zip(rows, looked, strict=True), videos, config.final_norm, device)
                _write(file, part)
            parts.append(part)
            progress.advance(len(rows), skipped=kept)
    skipped = {name: why for part in parts for name, why in part.skipped.items()}
    good = [part for part in parts if len(part.rows)]
    if not good:
        raise BadDataError(f"None of the {len(videos.ids)} videos can be read", next(iter(skipped.values()), ""))
    return Features(torch.cat([part.values for part in good]), torch.cat([part.rows for part in good]), skipped)


def readable_views(videos: LabelledVideos, encoder: VideoEncoder, config: ViewConfig, row: int) -> Uint8Array | str:
    """The views of a video for testing (see `views_of`), or the reason why the video cannot be read."""
    try:
        return views_of(videos.open(row), encoder.num_frames, encoder.image_size, config)
    except BadDataError as error:
        return str(error)


@torch.inference_mode()
def _compute(
    encoder: VideoEncoder,
    looked: Iterable[tuple[int, Uint8Array | str]],
    videos: LabelledVideos,
    final_norm: bool,
    device: str,
) -> Features:
    """The features of the videos with these rows."""
    views: dict[int, Uint8Array] = {}
    skipped: dict[str, str] = {}
    for row, found in looked:
        if isinstance(found, str):
            skipped[videos.ids[row]] = found
        else:
            views[row] = found
    if not views:
        return Features(torch.empty(0), torch.empty(0, dtype=torch.int64), skipped)
    clips = torch.from_numpy(np.stack(list(views.values())))
    pooled = [
        encode(encoder, some.to(device), final_norm=final_norm).float().mean(dim=1).cpu()
        for some in clips.flatten(0, 1).split(VIEWS_AT_ONCE)
    ]
    return Features(torch.cat(pooled).unflatten(0, clips.shape[:2]), torch.tensor(list(views)), skipped)


def _write(file: Path, part: Features) -> None:
    tensors, metadata = {"values": part.values.contiguous(), "rows": part.rows}, {"failed": json.dumps(part.skipped)}
    write_atomically(file, lambda path: save_file(tensors, path, metadata))


def _read(file: Path) -> Features | None:
    """Read a file of the cache. None if it is missing or damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            skipped = json.loads((opened.metadata() or {})["failed"])
            return Features(opened.get_tensor("values"), opened.get_tensor("rows"), skipped)
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError):
        return None
