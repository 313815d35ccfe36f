"""Fine-tuning of Video-GMAE: a readout on its encoder."""

from __future__ import annotations

from pathlib import Path

from vgmae_bench.models.readout_recipe import FinetuneConfig, ReadoutRecipe, named_size, take_encoder
from vgmae_bench.models.weights_file import load_weights
from vgmae_bench.videogmae.checkpoint import KINDS, Model
from vgmae_bench.videogmae.gaussians.gaussians import Activation
from vgmae_bench.videogmae.network import SIZES, NetworkConfig
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker


def finetuning(config: FinetuneConfig, weights: Path | None) -> Finetuning:
    """The fine-tuning recipe for the encoder of a weights file, or for a random encoder if `weights` is None.

    The file can hold a pretrained model, an image MAE, or an encoder with a readout.

    Raises:
        WeightsError: the file is damaged, or holds other weights.
        UsageError: the readout does not fit the encoder, or there is no such size.
    """
    if weights is None:
        return Finetuning(config, named_size(SIZES, config.size))
    given = load_weights(weights, method="videogmae", kinds=KINDS, otherwise="it has no Video-GMAE encoder")
    return Finetuning(config, given.section("network", NetworkConfig))


class Finetuning(ReadoutRecipe[ReadoutTracker]):
    """The fine-tuning recipe of Video-GMAE.

    Arguments:
        network: shape of the encoder.
    """

    def __init__(self, config: FinetuneConfig, network: NetworkConfig) -> None:
        super().__init__(config, lambda: ReadoutTracker(network, config.readout), network, "videogmae-readout")
        if network.position == "pos3d":
            self.network.cls_token.requires_grad_(False)  # in the state dict, but not used

    def init_from(self, weights: Path) -> list[str]:
        """See `take_encoder`."""
        return take_encoder(self.network, load_weights(weights, method="videogmae"))

    def tracker(self, device: str) -> VideoGMAETracker:
        """See `vgmae_bench.training.recipe.Recipe.tracker`."""
        return VideoGMAETracker(VideoGMAEConfig(), Model(self.network, Activation()), device, seed=0)
