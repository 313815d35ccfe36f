from __future__ import annotations

import numpy as np
import pytest

from vgmae_bench.downstream.space.images import figure_ground, psnr, ssim

ALL = np.ones((16, 16), dtype=np.bool_)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((16, 16, 3))


def test_psnr_is_measured_only_inside_the_mask() -> None:
    truth = picture()
    wrong = truth.copy()
    wrong[:8] += 0.1
    half = ALL.copy()
    half[8:] = False
    assert psnr(wrong, truth, half) == pytest.approx(20)
    assert psnr(wrong, truth, ALL) == pytest.approx(20 + 10 * np.log10(2))
    assert psnr(truth, truth, ALL) == pytest.approx(100)


def test_ssim_equals_that_of_scikit_image() -> None:
    """Values of `structural_similarity` in scikit-image 0.26.0, with the Gaussian window of Wang et al. (2004)."""
    x, noise = np.random.default_rng(0).random((2, 31, 31, 3))
    near = np.clip(x + 0.1 * (noise - 0.5), 0, 1)
    middle, whole = np.zeros((31, 31), dtype=np.bool_), np.ones((31, 31), dtype=np.bool_)
    middle[15, 15] = True
    assert ssim(x, noise, middle) == pytest.approx(0.05068290238275678)
    assert ssim(x, near, whole) == pytest.approx(0.9948490343155227)
    assert ssim(picture(), picture(), ALL) == pytest.approx(1)


def test_figure_and_ground() -> None:
    truth = np.zeros((4, 4), dtype=np.bool_)
    truth[:, :2] = True
    found = np.zeros_like(truth)
    found[:, :1] = True
    assert figure_ground(found, truth) == (0.5, pytest.approx((0.5 + 8 / 12) / 2))
    assert figure_ground(truth, truth) == (1, 1)
    nothing = np.zeros_like(truth)
    assert figure_ground(nothing, nothing) == (1, 1)
