"""Fine-tuning of Video-GMAE: a readout on its encoder."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from vgmae_bench.config import Json, build, to_json
from vgmae_bench.errors import WeightsError
from vgmae_bench.videogmae.checkpoint import KINDS, load_weights, save_weights
from vgmae_bench.videogmae.network import NetworkConfig
from vgmae_bench.videogmae.readout import ReadoutConfig, ReadoutTracker
from vgmae_bench.videogmae.readout_recipe import FinetuneConfig, ReadoutRecipe
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker


def finetuning(config: FinetuneConfig, weights: Path) -> ReadoutRecipe:
    """The recipe for the encoder of a weights file: pretrained, image MAE, or with a readout already.

    Raises:
        WeightsError: the file is no such weights, or damaged.
        UsageError: the readout does not fit the encoder.
    """
    return ReadoutRecipe(config, VideoGMAEHost(weights))


class VideoGMAEHost:
    """Video-GMAE's encoder; see `vgmae_bench.videogmae.readout_recipe.Host`."""

    def __init__(self, weights: Path) -> None:
        loaded = load_weights(weights)
        section = loaded.config.get("network")
        if loaded.kind not in KINDS or not isinstance(section, dict):
            raise WeightsError(f'{weights} holds a "{loaded.kind}" model', "it has no encoder of videogmae")
        self._network = build(NetworkConfig, section, owner="videogmae")

    @property
    def num_frames(self) -> int:
        return self._network.num_frames

    @property
    def image_size(self) -> int:
        return self._network.image_size

    @property
    def num_tokens(self) -> int:
        return self._network.num_tokens

    def build(self, readout: ReadoutConfig) -> ReadoutTracker:
        model = ReadoutTracker(self._network, readout)
        if self._network.position == "pos3d":
            model.cls_token.requires_grad_(False)  # in the state dict, but not in the network
        return model

    def start_from(self, model: nn.Module, weights: Path) -> list[str]:
        """Take the encoder, and the readout where the file has one of the same configuration."""
        assert isinstance(model, ReadoutTracker)
        given = load_weights(weights)
        same_readout = given.config.get("readout") == to_json(model.readout.config)
        wanted = [name for name, _ in model.named_parameters() if same_readout or not name.startswith("readout.")]
        if missing := [name for name in wanted if name not in given.tensors]:
            raise WeightsError(f"{weights} lacks {len(missing)} tensors of the encoder", ", ".join(missing[:3]))
        model.load_state_dict({name: given.tensors[name] for name in wanted}, strict=False)
        taken = "encoder and readout" if same_readout else "encoder"
        return [f"taken from {weights.name} ({given.kind}): {taken}"] + ([] if same_readout else ["new: readout"])

    def export(self, model: nn.Module, readout: ReadoutConfig, path: Path, source: Json) -> None:
        sections = {"network": self._network, "readout": readout, "source": source}
        save_weights(path, model.state_dict(), "videogmae-readout", sections)

    def tracker(self, weights: Path, device: str) -> VideoGMAETracker:
        return VideoGMAETracker(VideoGMAEConfig(), weights, device, seed=0)
