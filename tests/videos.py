"""Small videos for tests, encoded with PyAV. Each frame has its own grey level, which identifies it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

STEP = 8
"""Grey levels from one frame to the next."""

CODECS = {".mp4": "libx264", ".mkv": "mpeg4", ".avi": "mpeg4", ".webm": "libvpx", ".gif": "gif", ".flv": "flv"}


def greys(count: int, size: tuple[int, int] = (48, 64)) -> npt.NDArray[np.uint8]:
    """uint8 [count, H, W, 3]: frame t is of grey `STEP * (t + 1)`."""
    levels = STEP * np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, *size, 3)).copy()


def numbers(frames: Iterable[npt.NDArray[np.uint8]]) -> list[int]:
    """The numbers of these frames in `greys`."""
    return [round(float(frame.mean()) / STEP) - 1 for frame in frames]


def encode(
    path: Path,
    frames: npt.NDArray[np.uint8],
    fps: int = 10,
    gop: int = 5,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
) -> Path:
    """A video file of the kind its suffix says, with a key frame at every `gop`-th frame."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(CODECS[path.suffix], rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb8" if path.suffix == ".gif" else pix_fmt
        stream.codec_context.gop_size = gop
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode(None))
    return path


def save_images(folder: Path, frames: npt.NDArray[np.uint8]) -> Path:
    """Frames as 0.png, 1.png, …, without leading zeros."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder
