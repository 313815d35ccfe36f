"""DINOv2: features of facebookresearch/dinov2 (arXiv 2304.07193), matched by `vgmae_bench.models.features`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.settings import multiple_of, positive
from vgmae_bench.training.clips.sources import calibration_clip

from . import DINOV2
from .common import Peer

_PATCH = 14


@dataclass(frozen=True)
class DinoV2Config(CorrespondenceConfig):
    """Settings. Those of matching have defaults that suit an encoder of single images.

    Attributes:
        size: size of the network.
        image_size: side in pixels of the square to which frames are resized, a multiple of 14.
    """

    size: Literal["small", "base", "large", "giant2"] = "small"
    image_size: int = 252
    context: Literal["query", "window"] = "window"
    stitch: int = 1
    calibration_clips: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "image_size")
        multiple_of(self, image_size=_PATCH)


class Encoder(Peer[DinoV2Config]):
    """The network as a `vgmae_bench.models.features.encoder.PatchEncoder` that sees one frame at a time."""

    SOURCE, MODULE = DINOV2.checkout, "dinov2.models.vision_transformer"
    num_frames = time_stride = 1
    patch_size = _PATCH

    def make(self, module: Any) -> Any:
        """See `Peer.make`."""
        self.image_size, size = self.config.image_size, self.config.size
        ffn = {"ffn_layer": "swiglufused"} if size == "giant2" else {}
        vit = getattr(module, f"vit_{size}")
        return vit(patch_size=_PATCH, img_size=518, init_values=1.0, block_chunks=0, **ffn)

    def patch_features(self, video: Tensor) -> Tensor:
        """float32 [B, 3, 1, S, S] to [B, 1, S / 14, S / 14, C]."""
        tokens: Tensor = self.network.forward_features(video[:, :, 0])["x_norm_patchtokens"]
        side = self.image_size // _PATCH
        return tokens.reshape(len(tokens), 1, side, side, -1)


class DinoV2(CorrespondenceTracker):
    """Nearest neighbours of patches. Queries are independent."""

    def __init__(self, config: DinoV2Config, weights: Path | None, device: str, seed: int) -> None:
        encoder = Encoder(config, weights, device, seed)
        self.note, self.checkout = encoder.note, encoder.checkout
        super().__init__(encoder, config, device, calibration_clip)
