"""The setting refine_steps: a network's Gaussians are fitted to each window before tracking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.shared.configured import configured
from tests.videogmae.textures import Affine, colour
from vgmae_bench.config import build
from vgmae_bench.errors import UsageError
from vgmae_bench.models.readout import ReadoutConfig
from vgmae_bench.models.weights_file import save_weights
from vgmae_bench.types import Queries, Tracks
from vgmae_bench.videogmae import tracker as module
from vgmae_bench.videogmae.gaussians.gaussians import SCENE_HALF_WIDTH
from vgmae_bench.videogmae.network import SIZES, NetworkConfig, VideoGMAE
from vgmae_bench.videogmae.readout import ReadoutTracker
from vgmae_bench.videogmae.tracker import VideoGMAEConfig, VideoGMAETracker

ACROSS = 16
NETWORK = NetworkConfig(
    image_size=32,
    patch_size=8,
    num_frames=4,
    num_gaussians=ACROSS**2,
    embed_dim=32,
    depth=1,
    num_heads=2,
    decoder_embed_dim=32,
    decoder_depth=1,
    decoder_num_heads=2,
)
SIZE = NETWORK.image_size
PAN = Affine((0.9, -0.7))
QUERIES = Queries(np.array([0, 2, 4]), np.array([[10.0, 22.0], [15.0, 18.0], [12.0, 20.0]]))


@pytest.fixture(autouse=True)
def _smallest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", NETWORK)


def _still(x: Tensor) -> Tensor:
    """Outputs like x [1, T, G, 14]: a grid of Gaussians as wide as the frame, which shows the texture."""
    ticks = (torch.arange(ACROSS) + 0.5) / ACROSS
    grid = torch.cartesian_prod(ticks, ticks)
    pixel = 2 * SCENE_HALF_WIDTH / SIZE  # 5 units before the camera
    out = torch.zeros_like(x)
    out[:, 0, :, :2] = (2 * grid - 1).atanh()
    out[:, 0, :, 2] = torch.tensor(-3 / SCENE_HALF_WIDTH).atanh()
    out[..., 3:6] = torch.tensor(1.2 * pixel).logit()
    out[..., 10:13] = colour(grid * SIZE).logit(eps=1e-3)
    out[..., 13] = torch.tensor(0.95).logit()
    return out


@pytest.fixture
def _sees_but_knows_no_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = VideoGMAE.decode
    monkeypatch.setattr(VideoGMAE, "decode", lambda self, encoded: _still(decode(self, encoded)))


def _clip(frames: int = 7) -> np.ndarray:
    clip: np.ndarray = (255 * PAN.video(frames, SIZE, SIZE)).round().byte().numpy()
    return clip


def _track(weights: Path | None = None, **settings: Any) -> Tracks:
    return VideoGMAETracker(configured(VideoGMAEConfig, **settings), weights, "cpu", 0).track(_clip(), QUERIES)


def _errors(tracks: Tracks) -> np.ndarray:
    """Errors in pixels of every query in the frames after its own."""
    errors = []
    for row, frame in enumerate(QUERIES.frame):
        truth = PAN.positions(torch.from_numpy(QUERIES.xy[row : row + 1]), 7 - int(frame))[0].numpy()
        errors.append(np.linalg.norm(tracks.xy[row, frame:] - truth, axis=1)[1:])
    return np.concatenate(errors)


@pytest.mark.usefixtures("_sees_but_knows_no_motion")
def test_refinement_finds_the_motion_that_the_network_missed() -> None:
    missed, nearly, found = (_errors(_track(refine_steps=steps)) for steps in (0, 5, 100))
    assert missed.max() > 4
    assert nearly.mean() < 0.7 * missed.mean()
    assert found.mean() < nearly.mean()
    assert found.mean() < 0.4
    assert found.max() < 1


def test_without_steps_the_networks_gaussians_are_tracked_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _track(refine_steps=0)
    monkeypatch.setattr(module, "fit", lambda gaussians, *args, **options: gaussians)
    found = _track(refine_steps=50)
    np.testing.assert_array_equal(found.xy, expected.xy)
    np.testing.assert_array_equal(found.visible, expected.visible)


@pytest.mark.parametrize("preset", ["default", "paper", "release"])
def test_whatever_a_random_network_predicts_can_be_refined(preset: str) -> None:
    refined = _track(preset=preset, refine_steps=3).xy
    assert np.isfinite(refined).all()
    assert not np.array_equal(refined, _track(preset=preset).xy)


def test_a_readout_has_nothing_to_refine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, path = ReadoutConfig(heads=2), tmp_path / "readout.safetensors"
    torch.manual_seed(0)
    model = ReadoutTracker(NETWORK, config)
    save_weights(path, model.state_dict(), "videogmae-readout", {"network": NETWORK, "readout": config})
    expected = _track(path)
    monkeypatch.delattr(module, "fit")
    np.testing.assert_array_equal(_track(path, refine_steps=20).xy, expected.xy)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="steps must be at least 0"):
        build(VideoGMAEConfig, {"refine_steps": -1}, owner="videogmae")
