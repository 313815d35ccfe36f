"""TAP-Vid-Kinetics from the published annotations and the videos. The shards of the published generator are not needed.

The generator (generate_tapvid.py of google-deepmind/tapnet) keeps up to 250 frames of each video, at 25 frames per
second (`frames`), and cuts the tracks to these frames. Published points are fractions of the frame. The generator
stores them as (x · W - 0.5) / W.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.checks import FaultError, bad_clip, check_tracks
from vgmae_bench.data.dataset import opened
from vgmae_bench.data.kinetics.frames import FPS, MAX_FRAMES, jpeg_frames
from vgmae_bench.data.prepare import Raw, raw_from_dataset
from vgmae_bench.data.tapvid.dataset import kinetics
from vgmae_bench.data.tapvid.settings import KineticsConfig
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import file_digest
from vgmae_bench.types import Clip

_log = logging.getLogger(__name__)

_KEY_FIELDS = 3  # YouTube id, start and end in seconds, before the x, y and occlusion of every frame


def prepare(root: Path, source: Path | None) -> Raw:
    """The input of `vgmae_bench.data.prepare`, from videos if `source` is given, otherwise from shards.

    Arguments:
        root: the data root, with the annotations in tapvid_kinetics/*.csv.
        source: the folder of the Kinetics-700-2020 validation videos, `<id>_<start>_<end>.mp4` with six digits each.
            Sub-folders are searched. Clips with a missing, incomplete or damaged video are left out and listed as
            missing.

    Raises:
        MissingDataError: there are no annotations, no videos for them, or neither shards nor `source`.
        BadDataError: the annotations are damaged (the message names the line), or two different videos have the same
            name.
    """
    if source is None:
        return raw_from_dataset(data.KINETICS, opened(kinetics(root, KineticsConfig()), data.KINETICS.name), root)
    files = sorted(root.glob(data.KINETICS.annotations))
    if not files:
        what = f"The annotations of kinetics are not at {root / data.KINETICS.annotations}"
        raise MissingDataError(what, f"they come from {data.KINETICS.source}", try_="vgmae-bench data fetch kinetics")
    if len(files) > 1:
        named = ", ".join(file.name for file in files)
        raise BadDataError(f"{files[0].parent} holds several annotations: {named}", "only one of them can be used")
    annotations, found = Annotations(files[0]), _find_videos(source)
    videos = {name: _only(found[name]) for name in annotations.lines if name in found}
    here = list(videos)
    if not here:
        raise MissingDataError(
            f"{source} holds none of the {len(annotations.lines)} videos of kinetics",
            f"they are named like {next(iter(annotations.lines), 'id_000000_000010')}.mp4",
        )
    sources: list[Json] = [[files[0].name, file_digest(files[0])]]
    gone: list[Json] = [name for name in annotations.lines if name not in videos]
    about: dict[str, Json] = {"sources": sources, "missing": gone, "encoder": av.library_versions["libavcodec"][0]}

    def clips() -> Iterator[Clip]:
        for name in here:
            try:
                clip = _clip(annotations, name, videos[name])
            except BadDataError as error:
                if error.what.startswith("The annotations"):
                    raise
                _log.info(f"{name} is left out: {error.sentence}")
                gone.append(name)
                continue
            sources.append([videos[name].name, file_digest(videos[name])])
            yield clip

    # A 720p frame rarely exceeds 150 kB at these settings.
    return Raw(clips(), len(here), about, size=len(here) * MAX_FRAMES * 150_000)


class Annotations:
    """The published CSV file. Memory holds only the rows of one clip at a time.

    Attributes:
        lines: byte offsets of the rows of each clip, in order of first appearance. A clip has the name of its video.

    Raises:
        BadDataError: a row does not begin with a video's name, start and end. The message names the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, list[int]] = {}
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                fields = line.split(b",", _KEY_FIELDS)
                try:
                    youtube_id, start, end = (field.decode() for field in fields[:_KEY_FIELDS])
                    name = f"{youtube_id}_{int(start):06}_{int(end):06}"
                except ValueError as error:
                    raise self._bad(f"line {number} does not begin with a video, its start and its end") from error
                if Path(name).name != name:
                    raise self._bad(f"line {number} names a video that cannot be a file name")
                self.lines.setdefault(name, []).append(offset)
                offset += len(line)

    def tracks(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The tracks of one clip: points float64 [N, T, 2], fractions of the frame as published, and occluded bool [N, T].

        Raises:
            BadDataError: a row lacks x, y and occlusion of each frame after its first 3 fields.
        """
        rows = []
        with self.path.open("rb") as file:
            for offset in self.lines[name]:
                file.seek(offset)
                rows.append(file.readline().rstrip().split(b",")[_KEY_FIELDS:])
        try:
            values = np.array(rows, dtype=np.bytes_).astype(np.float64).reshape(len(rows), -1, 3)
        except ValueError as error:
            raise self._bad(f"the rows of {name} are not x, y and occlusion of the same frames") from error
        if not np.isfinite(values).all() or not np.isin(values[..., 2], (0, 1)).all():
            raise self._bad(f"the rows of {name} hold something other than finite positions and occlusion of 0 or 1")
        return values[..., :2], values[..., 2] > 0

    def _bad(self, why: str) -> BadDataError:
        return BadDataError(f"The annotations {self.path} cannot be used", why)


def _clip(annotations: Annotations, name: str, video: Path) -> Clip:
    points, occluded = annotations.tracks(name)
    jpegs = jpeg_frames(video)
    if not jpegs:
        raise BadDataError(f"{video} cannot be read", "it holds no frames")
    height, width = jpeg_size(jpegs[0])
    num_frames = min(len(jpegs), points.shape[1])
    size = np.array([width, height])
    shifted = (points[:, :num_frames] * size - 0.5) / size
    try:
        stored, hidden = check_tracks(shifted, occluded[:, :num_frames], num_frames, (height, width))
    except FaultError as fault:
        raise bad_clip(f"The annotations of {name} cannot be used", fault) from fault
    return Clip(
        id=name,
        size=(height, width),
        points=stored,
        occluded=hidden,
        read=lambda: decode_frames(jpegs[:num_frames]),
        part=lambda start, stop: decode_frames(jpegs[start:stop]),
        encoded=jpegs[:num_frames],
        parallel=True,
        resized=lambda start, stop, size: decode_frames(jpegs[start:stop], resized=size),
        fps=FPS,
    )


def _find_videos(folder: Path) -> dict[str, list[Path]]:
    """The mp4 files of a folder and its sub-folders, by name without the suffix."""
    if not folder.is_dir():
        raise MissingDataError(f"There is no folder {folder}", "it should hold the videos of kinetics")
    found: dict[str, list[Path]] = {}
    for where, below, names in os.walk(folder):
        below.sort()
        for name in names:
            if name.endswith(".mp4"):
                found.setdefault(name.removesuffix(".mp4"), []).append(Path(where, name))
    return found


def _only(copies: list[Path]) -> Path:
    """The first of several copies of a video. Raises BadDataError if they differ."""
    if len(copies) > 1 and len({file_digest(copy) for copy in copies}) > 1:
        named = " and ".join(str(copy) for copy in copies)
        raise BadDataError(f"Different videos have one name: {named}", "one of them is probably a broken download")
    return copies[0]
