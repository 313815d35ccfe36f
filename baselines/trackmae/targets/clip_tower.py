"""CLIP's frozen image tower as the spatial target: features of the first frame of each tubelet, one token per patch.

It needs Hugging Face transformers (the extra "clip" of this package), which is imported when a tower is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.errors import PluginError, WeightsError
from vgmae_bench.models.nn import IMAGENET_MEAN, IMAGENET_STD

from ..sizes import EncoderConfig
from .spatial import standardise

Statistics = Literal["clip", "imagenet"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Statistics of CLIP's training images (Radford et al., arXiv 2103.00020, released preprocessing)."""
_STATISTICS = {"clip": (CLIP_MEAN, CLIP_STD), "imagenet": (IMAGENET_MEAN, IMAGENET_STD)}


class ClipTower:
    """The image tower of a CLIP model.

    Arguments:
        source: a folder written by `save_pretrained` of transformers, or a name on the Hugging Face hub, which is downloaded
            once. Weights must be safetensors.
        statistics: normalisation of images: CLIP's own, or ImageNet's as in the official code.
        device: any device name of torch.

    Raises:
        PluginError: transformers is not installed.
        WeightsError: the weights do not exist, or belong to another model.
    """

    def __init__(self, source: str, statistics: Statistics, device: torch.device) -> None:
        model = _open(source).to(device).eval().requires_grad_(False)
        # Older versions of transformers wrap the tower again.
        self._tower: Any = getattr(model, "vision_model", model)
        self._size, self._patch = model.config.image_size, model.config.patch_size
        self._mean, self._std = (torch.tensor(v, device=device).view(3, 1, 1) for v in _STATISTICS[statistics])
        self.channels: int = model.config.hidden_size

    @torch.no_grad()
    def targets(self, video: Tensor, config: EncoderConfig) -> Tensor:
        """Normalised features of the first frame of each tubelet.

        They are the patch tokens of the last block after the tower's last LayerNorm, without class token and projection. If the
        tower's patches differ from the network's, features are interpolated. Each channel has mean 0 and standard deviation 1
        over the tokens of a clip.

        Arguments:
            video: float [B, 3, T, H, W] RGB in [0, 1].

        Returns:
            float32 [B, N, channels].
        """
        images = video[:, :, :: config.tubelet_size].transpose(1, 2).flatten(0, 1)
        if images.shape[2:] != (self._size, self._size):
            images = F.interpolate(images, (self._size, self._size), mode="bicubic", antialias=True).clamp(0, 1)
        tokens = self._tower(pixel_values=(images - self._mean) / self._std).last_hidden_state[:, 1:]
        features: Tensor = self._tower.post_layernorm(tokens).float()
        side = self._size // self._patch
        if side != config.grid:
            grid = features.mT.unflatten(2, (side, side))
            features = F.interpolate(grid, (config.grid, config.grid), mode="bilinear").flatten(2).mT
        return standardise(features.reshape(len(video), config.num_tokens, self.channels), dim=1)


def tower_channels(source: str) -> int:
    """The number of features of a tower, without reading its weights. Raises like `ClipTower`."""
    transformers = _transformers()
    with _read_errors(source):
        return int(transformers.CLIPVisionConfig.from_pretrained(source).hidden_size)


def _open(source: str) -> Any:
    transformers = _transformers()
    with _read_errors(source):
        model, report = transformers.CLIPVisionModel.from_pretrained(
            source, use_safetensors=True, output_loading_info=True
        )
    if missing := sorted(report["missing_keys"]):
        raise WeightsError(
            f"{source} is not a whole CLIP vision tower", f"{len(missing)} tensors are missing: {missing[0]}, …"
        )
    return model


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise PluginError(
            "CLIP features need transformers", "it is not installed here", try_="pip install 'vgmae-bench[clip]'"
        ) from error
    return transformers


@contextmanager
def _read_errors(source: str) -> Iterator[None]:
    """Turn errors of transformers and of the hub into a WeightsError."""
    try:
        yield
    except Exception as error:
        raise WeightsError(
            f'There is no CLIP tower "{source}" for the features',
            " ".join(str(error).split()).partition(". ")[0],
            try_="a folder with config.json and model.safetensors: --set clip_model=FOLDER; "
            "or spatial_target=pixel, which needs no weights",
        ) from error
