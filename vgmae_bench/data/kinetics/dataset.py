"""TAP-Vid-Kinetics from the published annotations and the videos. The shards of the published generator are not needed.

The generator (generate_tapvid.py of google-deepmind/tapnet) keeps up to 250 frames of each video, at 25 frames per
second (`frames`), and cuts the tracks to these frames. Published points are fractions of the frame. The generator
stores them as (x · W - 0.5) / W.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.dataset import opened
from vgmae_bench.data.kinetics.frames import FPS, MAX_FRAMES, jpeg_frames
from vgmae_bench.data.prepare import Raw, raw_from_dataset
from vgmae_bench.data.tapvid.dataset import KineticsConfig, kinetics
from vgmae_bench.data.video.frames import decode_frames, jpeg_size
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.files import file_digest
from vgmae_bench.types import Clip, FloatArray

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
    annotations = Annotations(files[0])
    videos = _find_videos(source, annotations.lines)
    if not videos:
        raise MissingDataError(
            f"{source} holds none of the {len(annotations.lines)} videos of kinetics",
            f"they are named like {next(iter(annotations.lines), 'id_000000_000010')}.mp4",
        )
    sources: list[Json] = [[files[0].name, file_digest(files[0])]]
    gone: list[Json] = [name for name in annotations.lines if name not in videos]
    about: dict[str, Json] = {"sources": sources, "missing": gone, "encoder": av.library_versions["libavcodec"][0]}

    def clips() -> Iterator[Clip]:
        for name, video in videos.items():
            points, occluded = annotations.tracks(name)
            try:
                jpegs = jpeg_frames(video)
            except BadDataError as error:
                _log.info(f"{name} is left out: {error.sentence}")
                gone.append(name)
                continue
            sources.append([video.name, file_digest(video)])
            yield _clip(name, points, occluded, jpegs)

    # A 720p frame rarely exceeds 150 kB at these settings.
    return Raw(clips(), len(videos), about, size=len(videos) * MAX_FRAMES * 150_000)


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


def _clip(name: str, points: FloatArray, occluded: npt.NDArray[np.bool_], jpegs: list[bytes]) -> Clip:
    height, width = jpeg_size(jpegs[0])
    num_frames = min(len(jpegs), points.shape[1])
    size = np.array([width, height])
    return Clip(
        id=name,
        size=(height, width),
        points=(points[:, :num_frames] * size - 0.5) / size,
        occluded=occluded[:, :num_frames],
        read=lambda: decode_frames(jpegs[:num_frames]),
        encoded=jpegs[:num_frames],
        fps=FPS,
    )


def _find_videos(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """The mp4 files with these names (without the suffix) in a folder and its sub-folders, in the order of `names`.

    Raises:
        MissingDataError: there is no such folder.
        BadDataError: two files have the same name, and their contents differ.
    """
    if not folder.is_dir():
        raise MissingDataError(f"There is no folder {folder}", "it should hold the videos of kinetics")
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.mp4")):
        first = found.setdefault(file.stem, file)
        if file != first and file.stem in names and file_digest(file) != file_digest(first):
            raise BadDataError(
                f"Different videos have one name: {first} and {file}", "one of them is probably a broken download"
            )
    return {name: found[name] for name in names if name in found}
