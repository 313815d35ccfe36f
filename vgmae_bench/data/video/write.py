"""Writes videos that play in a browser."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vgmae_bench.types import Uint8Array

# In order of preference; builds of FFmpeg have different encoders. All players show H.264, all browsers VP9. All builds have
# mpeg4, but browsers do not show it. The options keep thin coloured lines sharp.
ENCODERS = {
    "libx264": {"crf": "20", "preset": "superfast"},  # 30 % less time than veryfast, files 30 % larger
    "libopenh264": {"rc_mode": "quality"},
    "libvpx-vp9": {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "5"},
    "mpeg4": {"qscale": "3", "flags": "qscale"},
}

# FFmpeg's numbers. BT709 names a matrix, a set of primaries and a transfer curve (ITU-T H.273).
BT709 = 1
STUDIO_RANGE = 1  # luma from 16 to 235


def write_mp4(path: Path, frames: Iterable[Uint8Array], fps: Fraction) -> str:
    """Encode frames as an mp4 file that plays during loading.

    4:2:0 sampling needs an even height and width. Odd ones are made even by repeating the last row or column.

    Arguments:
        frames: uint8 [H, W, 3] RGB, at least one, all of the same size. They are read one at a time.
        fps: frames per second.

    Returns:
        The encoder used: the first of `ENCODERS` that this build of FFmpeg has.

    Raises:
        OSError: the file cannot be written.
    """
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    rate = fps if fps.numerator < 1 << 16 else fps.limit_denominator(1001)  # mpeg4 stores it in 16 bits
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(encoder, rate=rate, options=ENCODERS[encoder])
        assert isinstance(stream, av.VideoStream)  # these encoders make video streams
        context = stream.codec_context
        for number, frame in enumerate(frames):
            height, width = frame.shape[:2]
            if number == 0:
                context.height, context.width, context.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
                # Without these, players would have to guess the colour space.
                context.colorspace = context.color_primaries = context.color_trc = BT709
                context.color_range = STUDIO_RANGE
            odd = height % 2 or width % 2
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if odd else frame
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            picture = picture.reformat(
                format="yuv420p", dst_colorspace=BT709, dst_color_range=STUDIO_RANGE, interpolation="BICUBIC"
            )
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return encoder
