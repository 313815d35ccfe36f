"""Fine-tuning of Video-GMAE: a readout on its encoder."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench.config import Json, build
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe, named_size, take_encoder
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.videogmae.checkpoint import KINDS, Model, load_weights
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.network import SIZES, NetworkConfig
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker


def finetuning(config: FinetuneConfig, weights: Path | None) -> ReadoutRecipe[ReadoutTracker]:
    """The fine-tuning recipe for the encoder of a weights file, or for a random encoder if `weights` is None.

    The file can hold a pretrained model, an image MAE, or an encoder with a readout.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: the readout does not fit the encoder, or there is no such size.
    """
    network = named_size(SIZES, config.size) if weights is None else _network(weights)
    return ReadoutRecipe(config, VideoGMAEHost(network))


def _network(weights: Path) -> NetworkConfig:
    loaded = load_weights(weights)
    section = loaded.config.get("network")
    if loaded.kind not in KINDS or not isinstance(section, dict):
        raise WeightsError(f'{weights} holds a "{loaded.kind}" model', "it has no Video-GMAE encoder")
    return build(NetworkConfig, section, owner="videogmae")


class VideoGMAEHost:
    """Video-GMAE's encoder; see `vgmae_bench.models.readout_recipe.Host`."""

    def __init__(self, network: NetworkConfig) -> None:
        self.network = network

    def build(self, readout: ReadoutConfig) -> ReadoutTracker:
        """See `vgmae_bench.models.readout_recipe.Host.build`."""
        model = ReadoutTracker(self.network, readout)
        if self.network.position == "pos3d":
            model.cls_token.requires_grad_(False)  # in the state dict, but not used
        return model

    def init_from(self, model: ReadoutTracker, weights: Path) -> list[str]:
        """See `take_encoder`."""
        return take_encoder(model, load_weights(weights), weights)

    def export(self, model: ReadoutTracker, readout: ReadoutConfig, path: Path, source: Json) -> None:
        """See `vgmae_bench.models.readout_recipe.Host.export`."""
        sections = {"network": self.network, "readout": readout, "source": source}
        save_weights(path, model.state_dict(), "videogmae-readout", sections)

    def tracker(self, model: ReadoutTracker, device: str) -> VideoGMAETracker:
        """See `vgmae_bench.models.readout_recipe.Host.tracker`."""
        return VideoGMAETracker(VideoGMAEConfig(), Model(model, Activation()), device, seed=0)
