from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from tests.data.toy import example, jpeg
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.resizing import Size, resize_frames


def test_frames_of_the_wanted_size_keep_their_values_in_an_array_of_their_own() -> None:
    frames = example(0)["video"]
    resized = resize_frames(frames, frames.shape[1:3])
    np.testing.assert_array_equal(resized, frames)
    assert not np.shares_memory(resized, frames)


def test_a_view_that_may_not_be_written_is_resized_like_any_other() -> None:
    frames = example(0)["video"][:, ::2, ::-1]
    frozen = frames.view()
    frozen.flags.writeable = False
    for size in ((7, 9), frozen.shape[1:3]):
        resized = resize_frames(frozen, size)
        np.testing.assert_array_equal(resized, resize_frames(frames.copy(), size))
        assert resized.flags.writeable


def test_float_frames_are_neither_rounded_nor_clipped() -> None:
    step = np.zeros((1, 4, 8, 3), dtype=np.float32)
    step[:, :, 4:] = 1
    resized = resize_frames(step, (4, 16))
    assert resized.dtype == np.float32
    assert resized.min() < 0 and resized.max() > 1  # Lanczos overshoots at an edge


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ((2, 4, 4), np.uint8, (2, 2)),
        ((2, 4, 4, 1), np.uint8, (2, 2)),
        ((2, 4, 4, 3), np.float64, (2, 2)),
        ((2, 4, 4, 3), np.uint8, (0, 2)),
    ],
)
def test_invalid_frames_cannot_be_resized(shape: tuple[int, ...], dtype: type, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="frames"):
        resize_frames(np.zeros(shape, dtype=dtype), size)


def test_jpegs_become_rgb_frames() -> None:
    colours = [(200, 30, 90), (10, 160, 240)]
    frames = [jpeg(np.full((20, 32, 3), colour, dtype=np.uint8)) for colour in colours]
    assert jpeg_size(frames[0]) == (20, 32)
    decoded = decode_frames(frames)
    assert decoded.shape == (2, 20, 32, 3)
    np.testing.assert_allclose(decoded[:, 10, 10], colours, atol=3)


def test_grey_jpegs_become_rgb() -> None:
    grey = np.full((8, 8), 100, dtype=np.uint8)
    decoded = decode_frames([jpeg(grey)])
    assert decoded.shape == (1, 8, 8, 3)
    assert (decoded == 100).all()


def test_a_broken_frame_is_named() -> None:
    frames = [jpeg(frame) for frame in example(0)["video"]]
    other = jpeg(np.zeros((4, 4, 3), dtype=np.uint8))
    for broken, message in [
        (frames[2][:200], "frame 2: "),
        (b"nothing", "frame 2: not a JPEG image"),
        (other, "frame 2: 4 x 4, not 32 x 20 like the first"),
    ]:
        with pytest.raises(ValueError, match=message):
            decode_frames([*frames[:2], broken])


def test_only_jpegs_are_opened() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="not a JPEG image"):
        jpeg_size(buffer.getvalue())


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P")]
)
@pytest.mark.parametrize("size", [(7, 9), (40, 64), (20, 32)])
def test_frames_resized_while_decoding_have_the_same_bits(kind: Literal["JPEG", "PNG"], mode: str, size: Size) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 32, 3), dtype=np.uint8)
    frames = []
    for frame in pixels:
        buffer = io.BytesIO()
        Image.fromarray(frame).convert(mode).save(buffer, kind)
        frames.append(buffer.getvalue())
    found = decode_frames(frames, kind, size)
    np.testing.assert_array_equal(found, resize_frames(decode_frames(frames, kind), size))


def test_an_image_that_ends_early_is_refused_at_every_size() -> None:
    whole = jpeg(example(0)["video"][0])
    for size in (None, (7, 9)):
        with pytest.raises(ValueError, match="frame 1"):
            decode_frames([whole, whole[: len(whole) // 2]], resized=size)
