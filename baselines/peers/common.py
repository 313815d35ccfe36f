"""What adapters of others' trackers share: networks with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from vgmae_bench import Tracks
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


def tracks_of(out: Mapping[str, Tensor]) -> Tracks:
    """Tracks from what TAPIR and LocoTrack return: a point is seen if it is neither hidden nor placed without certainty.

    Arguments:
        out: tracks [1, N, T, 2] in raster pixels, and the logits occlusion and expected_dist [1, N, T].
    """
    seen = (1 - out["occlusion"][0].sigmoid()) * (1 - out["expected_dist"][0].sigmoid())
    return Tracks.from_scores(out["tracks"][0], seen, 0.5)
