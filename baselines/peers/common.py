"""What adapters of others' trackers share: networks with their weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

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
