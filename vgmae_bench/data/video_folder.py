"""Random clips from a folder of videos, for training without labels."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from vgmae_bench.data.video.file import VIDEO_SUFFIXES, open_video
from vgmae_bench.data.video.images import IMAGE_SUFFIXES
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import in_natural_order, visible_files
from vgmae_bench.types import Size, Uint8Array


class VideoFolder:
    """The videos below a folder: video files, and folders that hold frame images but no video files.

    A video is opened when a clip of it is sampled, and closed afterwards. A clip depends only on the folder's content and
    on the random generator, so worker processes may share the object.

    Arguments:
        path: the folder. Its sub-folders are searched too; hidden files and folders are left out.

    Attributes:
        paths: the videos, in natural order.
        skipped: videos that this process could not read so far, with the reason.

    Raises:
        MissingDataError: the folder does not exist, or has no videos.
    """

    def __init__(self, path: Path) -> None:
        self.paths = _find(path)
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, rng: np.random.Generator, frames: int, stride: int, image_size: int) -> Uint8Array:
        """A random clip of a random video, resized so that its shorter side is `image_size`, then cropped to a square.

        The released Video-GMAE code prepares training clips in this way (tekotan/video-gmae c630810), without flips, random
        crops or changes of colour. A video that is too short for the stride is read with a smaller stride. A video with
        fewer than `frames` frames repeats its last frame; the released code pads with black instead.

        Arguments:
            rng: chooses the video and the first frame. A video that cannot be read is added to `skipped`, and another
                one is chosen.
            frames: the number of frames, T.
            stride: the step between frames of the clip, in frames of the video.
            image_size: the side of the clip's frames in pixels.

        Returns:
            uint8 [T, image_size, image_size, 3] RGB.

        Raises:
            BadDataError: none of the videos can be read.
        """
        while True:
            path = self.paths[rng.integers(len(self.paths))]
            try:
                return _clip(path, rng, frames, stride, image_size)
            except BadDataError as error:
                self.skipped[path] = str(error)
            if len(self.skipped) == len(self.paths):
                raise BadDataError(f"None of the {len(self)} videos can be read", self.skipped[path])


def _find(root: Path) -> list[Path]:
    if not root.is_dir():
        raise MissingDataError(f"There is no folder {root}", "it should hold the videos to learn from")
    found: list[Path] = []
    for folder, files in visible_files(root):
        videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
        images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
        found += videos or ([folder] if images else [])
    if not found:
        known = ", ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
        raise MissingDataError(f"There are no videos below {root}", f"neither files ({known}) nor folders of images")
    return in_natural_order(found, root)


def _clip(path: Path, rng: np.random.Generator, frames: int, stride: int, image_size: int) -> Uint8Array:
    video = open_video(path)
    stride = max(1, min(stride, (video.num_frames - 1) // max(frames - 1, 1)))
    start = int(rng.integers(max(video.num_frames - (frames - 1) * stride, 1)))
    # One thread: the workers of a data loader are as many as there are cores already.
    read = video.frames(shorter_side(video.size, image_size), start=start, stride=stride, threads=1)
    square = [_centre(frame, image_size) for frame in itertools.islice(read, frames)]
    square += square[-1:] * (frames - len(square))
    return np.stack(square)


def shorter_side(size: Size, length: int) -> Size:
    """(height, width) of the same aspect ratio as `size`, with a shorter side of `length` pixels."""
    shorter = min(size)
    return (round(size[0] * length / shorter), round(size[1] * length / shorter))


def _centre(frame: Uint8Array, side: int) -> Uint8Array:
    """The square in the middle of a frame [H, W, 3]."""
    top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
    return frame[top : top + side, left : left + side]
