"""Grids of pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

from vgmae_bench.viz.mosaic import SMALLEST, save_mosaic


def test_images_are_at_their_cells_and_small_images_are_enlarged(tmp_path: Path) -> None:
    rows = np.arange(2 * 3, dtype=np.uint8).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 50, 40, 3), dtype=np.uint8)
    save_mosaic([list(row) for row in rows], tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (2 * 150, 3 * 120, 3) and 100 < SMALLEST <= 150
    assert np.array_equal(picture[75::150, 60::120, 0], [[0, 1, 2], [3, 4, 5]])
    assert picture[149, 119].tolist() == [0, 0, 0] and picture[150, 120].tolist() == [4, 4, 4]


def test_large_pictures_stay_as_they_are(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (SMALLEST, 7, 3), dtype=np.uint8)
    save_mosaic([[frame]], tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), frame)
