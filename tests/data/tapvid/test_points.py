"""Points from the command line, on a grid, or on a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgmae_bench.data.tapvid.points import grid_points, mask_points, typed_points
from vgmae_bench.errors import BadDataError, UsageError

SIZE = (40, 60)


def test_typed_points() -> None:
    queries = typed_points(["0,10,20.5", "7,60,0"], SIZE)
    assert queries.frame.tolist() == [0, 7]
    assert queries.xy.tolist() == [[10, 20.5], [60, 0]]


@pytest.mark.parametrize("text", ["1,2", "0,a,3", "0.5,1,2", "", "1,2,3,4"])
def test_invalid_points_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no point"):
        typed_points(["0,1,1", text], SIZE)


@pytest.mark.parametrize("text", ["-1,5,5", "0,-0.1,5", "0,60.5,5", "0,5,41", "0,nan,5"])
def test_points_outside(text: str) -> None:
    with pytest.raises(UsageError, match="is outside the video"):
        typed_points([text], SIZE)


def test_a_grid_lies_at_the_centres_of_equal_cells() -> None:
    queries = grid_points(2, SIZE)
    assert queries.frame.tolist() == [0, 0, 0, 0]
    assert queries.xy.tolist() == [[15, 10], [45, 10], [15, 30], [45, 30]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_masks_of_every_kind_have_the_same_foreground(tmp_path: Path, mode: str) -> None:
    foreground = np.zeros(SIZE, dtype=bool)
    foreground[10:20, 30:50] = True
    foreground[10:15, 30:40] = False  # a notch
    image = Image.fromarray(foreground.astype(np.uint8) * (255 if mode in ("1", "RGB", "RGBA") else 1))
    if mode == "P":
        image.putpalette([0, 0, 0, 128, 0, 0])
    elif mode == "RGBA":
        shape = image
        image = Image.new("RGBA", shape.size, (90, 90, 90, 255))
        image.putalpha(shape)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "mask.png")
    assert mask_points(tmp_path / "mask.png", 2, SIZE).xy.tolist() == [[45, 12.5], [35, 17.5], [45, 17.5]]


def test_noise_of_a_jpeg_is_no_foreground(tmp_path: Path) -> None:
    pixels = np.zeros(SIZE, dtype=np.uint8)
    pixels[9:25, 9:41] = 255  # across the 8 × 8 blocks of JPEG
    Image.fromarray(pixels).save(tmp_path / "mask.jpg", quality=30)
    assert (np.asarray(Image.open(tmp_path / "mask.jpg"))[pixels == 0] > 0).any()
    assert np.allclose(mask_points(tmp_path / "mask.jpg", 2, SIZE).xy, [[17, 13], [33, 13], [17, 21], [33, 21]], atol=1)


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    Image.new("L", (60, 40)).save(tmp_path / "black.png")
    with pytest.raises(UsageError, match="no foreground"):
        mask_points(tmp_path / "black.png", 4, SIZE)
    with pytest.raises(UsageError, match=r"60 × 40 pixels: frames of the video are 50 × 50"):
        mask_points(tmp_path / "black.png", 4, (50, 50))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(BadDataError, match="cannot be read"):
        mask_points(tmp_path / "text.png", 4, SIZE)


def test_a_grid_too_coarse_for_the_mask_says_so(tmp_path: Path) -> None:
    ring = np.zeros(SIZE, dtype=np.uint8)
    ring[5:35, 5:55] = 1
    ring[10:30, 10:50] = 0
    Image.fromarray(ring).save(tmp_path / "ring.png")
    with pytest.raises(UsageError, match="--grid 2"):
        mask_points(tmp_path / "ring.png", 1, SIZE)
    assert len(mask_points(tmp_path / "ring.png", 12, SIZE))
