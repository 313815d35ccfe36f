"""The GMRW network: a convolutional stem with stride 4, and a transformer in which two frames attend to each other.

Source: arXiv 2409.16288, which uses GMFlow's two-scale network (arXiv 2111.13680) without its flow head. Names and shapes
of the parameters are those of the official checkpoints of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vgmae_bench.devices import placed
from vgmae_bench.errors import UsageError
from vgmae_bench.settings import multiple_of, positive

from .windows import window_positions, within_windows

STRIDE = 4
"""Pixels from one cell of the feature map to the next. Cell j has its centre at pixel index 4 j."""


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the network. The defaults are those of the released network: 4,346,912 parameters.

    Attributes:
        feature_channels: channels of the feature maps, C.
        layers: layers of the transformer. Each is self-attention, then cross-attention with an MLP.
        ffn_expansion: hidden width of this MLP, divided by its input width 2 C.
        splits: number of attention windows along each axis. Odd layers shift them by half a window.
        stem_channels: channels of the three stages of the stem.
        features_l2: normalise matched features to unit length. For ablations; the official code does not.
        tau: temperature of the matching; None: the square root of C.

    Raises:
        UsageError: a value is out of range.
    """

    feature_channels: int = 128
    layers: int = 6
    ffn_expansion: int = 4
    splits: int = 2
    stem_channels: tuple[int, int, int] = (64, 96, 128)
    features_l2: bool = False
    tau: float | None = None

    def __post_init__(self) -> None:
        positive(self, "feature_channels", "layers", "ffn_expansion", "splits", "tau")
        multiple_of(self, feature_channels=4)
        if min(self.stem_channels) < 1:
            raise UsageError("stem_channels must be positive", f"they are {self.stem_channels}")

    @property
    def temperature(self) -> float:
        """Divisor of the features' inner products before the softmax over matches."""
        return math.sqrt(self.feature_channels) if self.tau is None else self.tau


SIZES = {
    "tiny": NetworkConfig(feature_channels=64, layers=2, stem_channels=(16, 24, 32)),
    "released": NetworkConfig(),
}


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each normalised per image and rectified, added to their input and rectified again."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        resized = stride != 1 or inputs != outputs
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride)) if resized else None

    def forward(self, x: Tensor) -> Tensor:
        """Float [B, inputs, H, W] to float [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        y = F.instance_norm(self.conv1(x)).relu_()
        y = F.instance_norm(self.conv2(y)).relu_()
        skip = x if self.downsample is None else F.instance_norm(self.downsample(x))
        return (skip + y).relu_()


class Backbone(nn.Module):
    """The stem, [B, 3, H, W] to [B, C, ⌈H / 4⌉, ⌈W / 4⌉]. It normalises per image, so frames can be encoded one by one."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third = config.stem_channels
        self.conv1 = nn.Conv2d(3, first, 7, stride=2, padding=3, bias=False)
        self.layer1 = nn.Sequential(ResidualBlock(first, first, 1), ResidualBlock(first, first, 1))
        self.layer2 = nn.Sequential(ResidualBlock(first, second, 2), ResidualBlock(second, second, 1))
        self.layer3 = nn.Sequential(ResidualBlock(second, third, 1), ResidualBlock(third, third, 1))
        self.conv2 = nn.Conv2d(third, config.feature_channels, 1)
        # GMFlow also applies these weights at stride 2. That map is not needed here.
        self.trident_conv = nn.Conv2d(config.feature_channels, config.feature_channels, 3, padding=1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.kaiming_uniform_(self.trident_conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Float [B, 3, H, W] to float [B, C, ⌈H / 4⌉, ⌈W / 4⌉]."""
        x = F.instance_norm(self.conv1(x)).relu_()
        for block in (*self.layer1, *self.layer2, *self.layer3):
            x = block(x)
        out: Tensor = self.trident_conv(self.conv2(x))
        return out


class Attention(nn.Module):
    """Single-head attention with projection and norm. The result is added to the source."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.merge = nn.Linear(width, width, bias=False)
        self.norm1 = nn.LayerNorm(width)

    def message(self, source: Tensor, target: Tensor) -> Tensor:
        """The attention output of source tokens [B, n, C] for target tokens of the same shape."""
        q, k, v = (x[:, None] for x in (self.q_proj(source), self.k_proj(target), self.v_proj(target)))
        mixed = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return _normalised(self.norm1, self.merge(mixed))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Tokens of `source` plus their message from `target`."""
        return source + self.message(source, target)


class AttentionFFN(Attention):
    """Attention with an MLP. The MLP maps source and message to the values that are added to the source."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__(width)
        hidden = 2 * width * expansion
        self.mlp = nn.Sequential(
            nn.Linear(2 * width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False)
        )
        self.norm2 = nn.LayerNorm(width)

    def forward(self, source: Tensor, target: Tensor, tokens_at_once: int | None = None) -> Tensor:
        """See `Attention.forward`. The MLP processes `tokens_at_once` of the n tokens together; None: all."""
        message = self.message(source, target)
        if tokens_at_once is None:
            return source + self._added(source, message)
        out = torch.empty_like(source)  # allocated before the larger arrays, against fragmentation
        for start in range(0, source.shape[1], tokens_at_once):
            some = slice(start, start + tokens_at_once)
            out[:, some] = source[:, some] + self._added(source[:, some], message[:, some])
        return out

    def _added(self, source: Tensor, message: Tensor) -> Tensor:
        return _normalised(self.norm2, self.mlp(torch.cat([source, message], dim=-1)))


class Layer(nn.Module):
    """A layer of the transformer: each frame attends to itself, then to the other frame's input of this layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.feature_channels)
        self.cross_attn_ffn = AttentionFFN(config.feature_channels, config.ffn_expansion)

    def forward(self, x: Tensor, tokens_at_once: int | None = None) -> Tensor:
        """Map tokens [2 B, n, C] (of B first frames, then of their B partners) to the same shape."""
        other = x.roll(len(x) // 2, dims=0)
        out: Tensor = self.cross_attn_ffn(self.self_attn(x, x), other, tokens_at_once)
        return out


class Transformer(nn.Module):
    """The layers, with attention within windows. The windows of odd layers are shifted."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self._splits = config.splits
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, tokens_at_once: int | None = None) -> Tensor:
        """Map x [2 B, h, w, C] to the same shape, frames in the order of `Layer`. x can be overwritten (`within_windows`)."""
        for number, layer in enumerate(self.layers):
            work = partial(layer, tokens_at_once=tokens_at_once)
            x = within_windows(work, x, self._splits, shifted=number % 2 == 1)
        return x


class GMRW(nn.Module):
    """Features of two frames. Their inner products show which cells of the frames match.

    The network is exactly symmetric: the features of (b, a) are those of (a, b) exchanged. One pass serves both directions.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.transformer = Transformer(config)

    def backbone_features(self, images: Tensor) -> Tensor:
        """Features of single frames.

        Arguments:
            images: float [B, 3, H, W] RGB of any size, ImageNet-normalised.

        Returns:
            [B, C, ⌈H / 4⌉, ⌈W / 4⌉].
        """
        out: Tensor = self.backbone(images)
        return out

    def match(self, features_a: Tensor, features_b: Tensor, tokens_at_once: int | None = None) -> tuple[Tensor, Tensor]:
        """Compute the comparable features of the frames of each pair.

        Arguments:
            features_a, features_b: [B, C, h, w] from `backbone_features`, of any size. If the windows do not divide it, the
                last one is smaller. This equals masked padding.
            tokens_at_once: cells of a frame that an MLP processes together; None: a window. It limits memory only.

        Returns:
            Two maps [B, C, h, w] for `vgmae_baselines.gmrw.readout`.
        """
        _, C, height, width = features_a.shape
        positions = placed(window_positions, height, width, C, self.config.splits, device=features_a.device).to(
            features_a
        )
        x = (torch.cat([features_a, features_b]) + positions).permute(0, 2, 3, 1).contiguous()
        x = self.transformer(x, tokens_at_once).permute(0, 3, 1, 2)
        if self.config.features_l2:
            x = F.normalize(x, dim=1)
        a, b = x.chunk(2)
        return a, b

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Call `backbone_features` for both frames, [B, 3, H, W] each, then `match`."""
        features_a, features_b = self.backbone_features(torch.cat([a, b])).chunk(2)
        return self.match(features_a, features_b)


def _normalised(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer normalisation in float32, in any precision of the rest."""
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight, norm.bias, norm.eps)
