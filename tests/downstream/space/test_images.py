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


def test_ssim_is_its_formula() -> None:
    """In the middle of a large enough image, with the window written out."""
    x, y = np.random.default_rng(0).random((2, 31, 31))
    ticks = np.arange(11) - 5
    window = np.exp(-(ticks[:, None] ** 2 + ticks**2) / (2 * 1.5**2))
    window /= window.sum()
    a, b = x[10:21, 10:21], y[10:21, 10:21]
    mx, my = (window * a).sum(), (window * b).sum()
    xx, yy, xy = ((window * p * q).sum() - m * n for p, q, m, n in ((a, a, mx, mx), (b, b, my, my), (a, b, mx, my)))
    expected = (2 * mx * my + 1e-4) * (2 * xy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (xx + yy + 9e-4))
    middle = np.zeros((31, 31), dtype=np.bool_)
    middle[15, 15] = True
    assert ssim(np.repeat(x[..., None], 3, 2), np.repeat(y[..., None], 3, 2), middle) == pytest.approx(expected)
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
