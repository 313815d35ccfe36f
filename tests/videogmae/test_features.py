"""Video-GMAE's encoder with the interface for tracking by features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vgmae_bench.models.features import CorrespondenceConfig, CorrespondenceTracker
from vgmae_bench.training.clips.sources import calibration_clip
from vgmae_bench.types import Queries
from vgmae_bench.videogmae.features import EncoderFeatures
from vgmae_bench.videogmae.network import Encoder, NetworkConfig

NETWORK = NetworkConfig(
    image_size=32,
    patch_size=8,
    num_frames=4,
    embed_dim=32,
    depth=1,
    num_heads=2,
    decoder_embed_dim=32,
    decoder_num_heads=2,
)


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(NETWORK).eval()


def test_features_lie_where_their_patches_are() -> None:
    """The network has no blocks, because they mix all tokens. A changed patch then changes only its own feature."""
    network = encoder()
    del network.blocks[:]
    features = EncoderFeatures(network)
    video = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    changed = video.clone()
    changed[1, :, 2, 8:16, 24:32] += 1.0

    def read(clip: Tensor) -> Tensor:
        with torch.no_grad():
            return features.patch_features(clip)

    difference = (read(changed) - read(video)).abs().amax(dim=-1)
    assert difference.shape == (2, 4, 4, 4)
    assert (difference > 1e-3).nonzero().tolist() == [[1, 2, 1, 3]]


def test_random_features_track_a_still_clip() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 40, 48, 3), dtype=np.uint8).repeat(5, axis=0)
    queries = Queries(np.array([0, 2]), np.array([[9.0, 20.0], [30.0, 12.0]], dtype=np.float32))
    config = CorrespondenceConfig(context="window", calibration_clips=2)
    tracks = CorrespondenceTracker(EncoderFeatures(encoder()), config, "cpu", calibration_clip).track(frames, queries)
    assert tracks.xy.shape == (2, 5, 2)
    assert tracks.visible[[0, 1], [0, 2]].all()
    np.testing.assert_allclose(tracks.xy[0, 0], [9, 20], atol=1e-4)
    assert np.linalg.norm(tracks.xy - queries.xy[:, None], axis=2).max() < 8
