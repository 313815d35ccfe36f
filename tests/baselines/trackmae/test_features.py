"""TrackMAE's encoder with the interface for tracking by features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.features import EncoderFeatures
from vgmae_baselines.trackmae.network import Encoder
from vgmae_baselines.trackmae.sizes import EncoderConfig

from vgmae_bench.errors import UsageError
from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.types import Queries

SIZE = EncoderConfig(image_size=32, patch_size=8, num_frames=4, embed_dim=24, depth=3, num_heads=2)


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SIZE).eval()


def video() -> Tensor:
    return torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


def test_features_are_the_tokens_at_their_places() -> None:
    network = encoder()
    with torch.no_grad():
        features = EncoderFeatures(network).patch_features(video())
        tokens = network(video())
    assert features.shape == (2, 2, 4, 4, 24)
    torch.testing.assert_close(features[1, 1, 2, 3], tokens[1, 16 + 2 * 4 + 3])


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_any_block_with_and_without_the_norm(layer: int) -> None:
    network = encoder()
    with torch.no_grad():
        raw = EncoderFeatures(network, layer, final_norm=False).patch_features(video())
        normed = EncoderFeatures(network, layer).patch_features(video())
        tokens = list(network.layers(video()))[layer - 1]
    torch.testing.assert_close(raw.flatten(1, 3), tokens)
    torch.testing.assert_close(normed.flatten(1, 3), network.norm(tokens))


@pytest.mark.parametrize("layer", [0, 4])
def test_an_unknown_block_is_refused(layer: int) -> None:
    with pytest.raises(UsageError, match="1 to 3"):
        EncoderFeatures(encoder(), layer)


def test_a_still_clip() -> None:
    """After the position part of a random encoder's tokens is removed, the rest still identifies the patches."""
    frames = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8).repeat(5, axis=0)
    queries = Queries(np.array([0, 2]), np.array([[10.0, 18.0], [22.0, 14.0]], dtype=np.float32))
    tracker = CorrespondenceTracker(
        EncoderFeatures(encoder()), CorrespondenceConfig(calibration_clips=4), "cpu", calibration_clip
    )
    found = tracker.track(frames, queries)
    assert np.linalg.norm(found.xy - queries.xy[:, None], axis=2).max() < 4
