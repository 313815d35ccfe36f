"""Features of a frozen encoder, computed once for every video and cached on disk."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vgmae_bench.ahead import made_ahead
from vgmae_bench.config import Json, digest
from vgmae_bench.downstream.actions.encoder import Probed
from vgmae_bench.downstream.actions.heads import encode
from vgmae_bench.downstream.actions.videos import LabelledVideos
from vgmae_bench.downstream.actions.views import ViewConfig, views_of
from vgmae_bench.errors import BadDataError
from vgmae_bench.files import cache_folder, make_folder, write_atomically
from vgmae_bench.models.encoder import VideoEncoder
from vgmae_bench.progress.bar import Progress

VERSION = 1
"""Increase this when the features of the same videos change. It is part of the name of the cache."""
CHUNK = 64
"""Videos per file of the cache. A run that is killed loses at most so many."""
VIEWS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Features:
    """Pooled features of the videos that could be read.

    Attributes:
        values: float32 [n, V, C] for V views of each video.
        rows: int64 [n], indices of the videos.
        skipped: why the other videos could not be read, by name.
        digest: hash of everything that the features depend on.
    """

    values: Tensor
    rows: npt.NDArray[np.int64]
    skipped: dict[str, str]
    digest: str


def compute_features(
    probed: Probed,
    videos: LabelledVideos,
    config: ViewConfig,
    *,
    final_norm: bool,
    device: str,
    workers: int = 0,
    title: str = "features",
) -> Features:
    """Compute the mean token of every view of every video, or read it from the cache.

    Arguments:
        probed: the encoder.
        videos: the videos.
        config: the views. No field is None.
        final_norm: apply the encoder's last norm before the mean.
        device: a torch device.
        workers: threads that read videos.
        title: the task's name in the display of progress.

    Raises:
        BadDataError: no video can be read.
        StorageError: the cache cannot be written.
    """
    depends: dict[str, Json] = {"version": VERSION, "encoder": probed.describe(), "videos": videos.digest}
    views: dict[str, Json] = {name: getattr(config, name) for name in ("sampling", "stride", "segments", "crops")}
    key = digest({**depends, **views, "final_norm": final_norm})
    folder = cache_folder() / "features" / key[:32]
    make_folder(folder)
    encoder = probed.encoder
    encoder.to(device)
    parts: list[tuple[Tensor, Tensor, dict[str, str]]] = []
    with Progress(title, "videos", len(videos.ids)) as progress:
        for start in range(0, len(videos.ids), CHUNK):
            file = folder / f"{start:08d}.safetensors"
            rows = range(start, min(start + CHUNK, len(videos.ids)))
            part = _read(file)
            kept = part is not None
            if part is None:

                def look(row: int) -> npt.NDArray[np.uint8] | str:
                    try:
                        return views_of(videos.open(row), encoder.num_frames, encoder.image_size, config)
                    except BadDataError as error:
                        return str(error)

                with closing(made_ahead(rows, look, len(rows), workers)) as looked:
                    part = _compute(encoder, dict(zip(rows, looked, strict=True)), videos, final_norm, device)
                _write(file, part)
            parts.append(part)
            progress.advance(len(rows), skipped=kept)
    skipped = {name: why for _, _, failed in parts for name, why in failed.items()}
    good = [(values, rows) for values, rows, _ in parts if len(rows)]
    if not good:
        raise BadDataError(f"None of the {len(videos.ids)} videos can be read", next(iter(skipped.values()), ""))
    return Features(
        torch.cat([values for values, _ in good]), torch.cat([rows for _, rows in good]).numpy(), skipped, key
    )


@torch.inference_mode()
def _compute(
    encoder: VideoEncoder,
    looked: dict[int, npt.NDArray[np.uint8] | str],
    videos: LabelledVideos,
    final_norm: bool,
    device: str,
) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Features [n, V, C], rows [n], and the reasons of the videos that failed, by name."""
    views = {row: found for row, found in looked.items() if not isinstance(found, str)}
    failed = {videos.ids[row]: found for row, found in looked.items() if isinstance(found, str)}
    if not views:
        return torch.empty(0), torch.empty(0, dtype=torch.int64), failed
    count = len(next(iter(views.values())))
    clips = torch.from_numpy(np.concatenate(list(views.values())))
    pooled = [
        encode(encoder, some.to(device), final_norm=final_norm).float().mean(dim=1).cpu()
        for some in clips.split(VIEWS_AT_ONCE)
    ]
    return torch.cat(pooled).unflatten(0, (-1, count)), torch.tensor(list(views)), failed


def _write(file: Path, part: tuple[Tensor, Tensor, dict[str, str]]) -> None:
    values, rows, failed = part
    metadata = {"failed": json.dumps(failed)}
    write_atomically(file, lambda path: save_file({"values": values.contiguous(), "rows": rows}, path, metadata))


def _read(file: Path) -> tuple[Tensor, Tensor, dict[str, str]] | None:
    """Read a file of the cache. None if it is missing or damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            failed = json.loads((opened.metadata() or {})["failed"])
            return opened.get_tensor("values"), opened.get_tensor("rows"), failed
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError):
        return None
