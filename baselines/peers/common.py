"""What adapters of others' trackers share: weights, queries and videos in other layouts, scores as tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vgmae_bench import Queries, Tracks
from vgmae_bench.models.checkpoint_content import load_checkpoint
from vgmae_bench.models.weights_file import load_into


def ready(network: nn.Module, weights: Path | None, device: str, *, strip: str = "") -> tuple[nn.Module, str]:
    """The network with its weights, on the device and in evaluation mode, and the tracker's note.

    Raises:
        WeightsError, UntrustedFileError: the file does not fit the network, or is not read.
    """
    if weights is not None:
        load_into(network, load_checkpoint(weights, strip=(strip,) if strip else ()), source=weights.name)
    return network.to(device).eval(), "" if weights else "random weights"


def queries_tyx(queries: Queries, device: str) -> Tensor:
    """float32 [1, N, 3] of (frame, y, x), raster pixels."""
    return _stacked(queries.frame, queries.xy[:, ::-1], device)


def queries_txy(queries: Queries, device: str, *, shift: float = 0.0) -> Tensor:
    """float32 [1, N, 3] of (frame, x, y), raster pixels less `shift`; 0.5 makes pixel centres integers."""
    return _stacked(queries.frame, queries.xy - shift, device)


def to_video(
    frames: npt.NDArray[np.uint8], device: str, layout: Literal["thwc", "tchw"], low: float, high: float
) -> Tensor:
    """uint8 [T, H, W, 3] → float32 [1, T, H, W, 3] ("thwc") or [1, T, 3, H, W] ("tchw"), 0 as `low` and 255 as `high`."""
    video = torch.from_numpy(np.ascontiguousarray(frames)).to(device)[None].float()
    video = video / 255 * (high - low) + low if (low, high) != (0, 255) else video
    return video.permute(0, 1, 4, 2, 3) if layout == "tchw" else video


def from_scores(xy: Tensor, score: Tensor, threshold: float) -> Tracks:
    """Positions [N, T, 2] in raster pixels and probabilities of being visible [N, T]; visible above the threshold."""
    return Tracks(xy.float().cpu().numpy(), (score > threshold).cpu().numpy(), score.float().cpu().numpy())


def _stacked(frame: npt.NDArray[np.int64], position: npt.NDArray[np.float32], device: str) -> Tensor:
    packed = np.concatenate([frame[:, None], position], axis=1, dtype=np.float32)
    return torch.from_numpy(packed)[None].to(device)
