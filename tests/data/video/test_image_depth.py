"""Images of more than 8 bits look as they do on a screen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vgmae_bench.data.video.images import read_image
from vgmae_bench.errors import BadDataError

RAMP = np.linspace(0, 1, 16 * 8).reshape(8, 16)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey(tmp_path: Path, bits: int, suffix: str) -> None:
    Image.fromarray(np.round(RAMP * (2**bits - 1)).astype(np.uint16)).save(tmp_path / f"a{suffix}")
    found = read_image(tmp_path / f"a{suffix}")
    assert found.shape == (8, 16, 3)
    np.testing.assert_allclose(found, np.repeat(RAMP[..., None], 3, 2) * 255, atol=0.6)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colour(tmp_path: Path, bits: int, suffix: str) -> None:
    rgb = np.stack([RAMP, RAMP[:, ::-1], np.zeros_like(RAMP)], axis=-1)
    values = np.round(rgb * (2**bits - 1)).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), values[..., ::-1])
    np.testing.assert_allclose(read_image(tmp_path / f"a{suffix}"), rgb * 255, atol=0.6)


def test_numbers_without_a_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(BadDataError, match="32-bit numbers"):
        read_image(tmp_path / "a.tif")


def test_a_header_that_asks_for_too_much_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", greedy)
    with pytest.raises(BadDataError, match="decoding it needs more memory than there is"):
        read_image(tmp_path / "a.png")
