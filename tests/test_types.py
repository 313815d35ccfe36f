from __future__ import annotations

import numpy as np

from vgmae_bench.types import rescale


def test_rescaling_keeps_the_outer_corners() -> None:
    corners = np.array([[0.0, 0.0], [854.0, 480.0], [427.0, 0.0]])
    np.testing.assert_array_equal(rescale(corners, (480, 854), (256, 256)), [[0, 0], [256, 256], [128, 0]])


def test_rescaling_back_gives_the_original() -> None:
    xy = np.random.default_rng(0).uniform(-10, 500, (3, 5, 2))
    np.testing.assert_allclose(rescale(rescale(xy, (480, 854), (256, 256)), (256, 256), (480, 854)), xy, rtol=1e-14)


def test_positions_become_float64() -> None:
    assert rescale(np.ones((1, 2), dtype=np.float32), (2, 2), (3, 3)).dtype == np.float64
