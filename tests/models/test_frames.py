from __future__ import annotations

import numpy as np
import pytest
import torch

from vgmae_bench.models import frames as module
from vgmae_bench.models.frames import FrameWindows, prepare, restore
from vgmae_bench.models.nn import IMAGENET_MEAN, IMAGENET_STD

CPU = torch.device("cpu")


def _clip(count: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_frames_of_the_right_size_are_only_normalised() -> None:
    clip = _clip(2)
    expected = (clip / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    prepared = prepare(torch.from_numpy(clip), (8, 8)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(prepared.numpy(), expected, rtol=0, atol=1e-5)


def test_restored_frames_are_those_that_were_prepared() -> None:
    clip = torch.from_numpy(_clip(3, 8, 12))
    restored = restore(prepare(clip, (8, 12)))
    assert restored.shape == (3, 8, 12, 3)
    torch.testing.assert_close(restored, clip / 255, rtol=0, atol=1e-6)
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_stripes_too_fine_for_the_network_become_their_mean() -> None:
    stripes = np.zeros((1, 64, 96, 3), dtype=np.uint8)
    stripes[:, :, ::2] = 200
    prepared = prepare(torch.from_numpy(stripes), (8, 8))[0]
    assert prepared.shape == (3, 8, 8)
    brightness = prepared[0] * IMAGENET_STD[0] + IMAGENET_MEAN[0]
    assert (brightness[:, 1:-1] - 100 / 255).abs().max() < 0.02


def test_the_last_frame_repeats_beyond_the_end() -> None:
    clip = _clip(5)
    window = FrameWindows(clip, 4, (8, 8), CPU)[3]
    assert window.shape == (1, 3, 4, 8, 8)
    whole = prepare(torch.from_numpy(clip), (8, 8))
    assert torch.equal(window[0].transpose(0, 1), whole[[3, 4, 4, 4]])


def test_every_frame_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def counting(frames: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        counts.append(len(frames))
        return prepare(frames, size)

    monkeypatch.setattr(module, "prepare", counting)
    windows = FrameWindows(_clip(10), 4, (8, 8), CPU)
    for start in (0, 1, 3, 3, 6, 9):
        assert windows[start].shape == (1, 3, 4, 8, 8)
    assert counts == [4, 1, 2, 3]
