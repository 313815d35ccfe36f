"""BADJA: joints of animals in DAVIS videos, annotated in about every fifth frame (Biggs et al., arXiv:1811.05804).

The files are read as published. <root>/badja/ is a copy of https://github.com/benjiebob/BADJA with DAVIS 2017 in it:

    joint_annotations/<clip>.json     a list of frames, each with image_path, segmentation_path,
                                      joints [[row, column], …] and visibility [bool, …]
    DAVIS/JPEGImages/…                frames in Full-Resolution, as the annotations say, or else in 480p
    DAVIS/Annotations/…               masks, likewise

Joints are pixel indices, so the reader adds half a pixel. Tracks are hidden in frames without annotations. Only
annotated frames have queries and are scored. The radius of PCK is 0.2 · √(foreground pixels of the mask). Transparent
and black pixels are background.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from vgmae_bench import config as configs
from vgmae_bench import data
from vgmae_bench.config import Json
from vgmae_bench.data.checks import check_tracks
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.data.files.fetch import missing
from vgmae_bench.data.files.root import locate
from vgmae_bench.data.prepare import Raw, raw_from_dataset
from vgmae_bench.data.prepared import PreparedDataset
from vgmae_bench.data.video.file import stack
from vgmae_bench.data.video.image_folder import ImageFolder
from vgmae_bench.data.video.images import reading
from vgmae_bench.errors import BadDataError, MissingDataError, damage
from vgmae_bench.files import file_digest
from vgmae_bench.types import Clip, Size, Uint8Array

PCK_RADIUS = 0.2


@dataclass(frozen=True)
class BadjaConfig:
    """Settings of BADJA.

    Attributes:
        annotation_height: height of the annotated frames in pixels; used only if all frames are 480p.
        annotation_width: width of the annotated frames in pixels; used only if all frames are 480p.
    """

    annotation_height: int = 1080
    annotation_width: int = 1920


def badja(root: Path, config: BadjaConfig, prepared: Path | None = None) -> Badja | PreparedDataset:
    """The prepared form if it exists, else the published files. Without either, the error says where they come from."""
    if prepared:
        return PreparedDataset(prepared, data.BADJA)
    files = locate(data.BADJA, root)
    if not files:
        raise missing(data.BADJA, root)
    return Badja(files, config)


def prepare(root: Path, source: Path | None) -> Raw:
    """The input of `vgmae_bench.data.prepare`. `source` is the copy of BADJA; without it, <root>/badja is read."""
    files = sorted(source.glob("joint_annotations/*.json")) if source else locate(data.BADJA, root)
    if not files:
        raise missing(data.BADJA, root, f"{source} has no joint_annotations/*.json" if source else "")
    dataset = Badja(files, BadjaConfig())
    raw = raw_from_dataset(data.BADJA, OpenedDataset(dataset, data.BADJA.name), root)
    raw.about.update({"sources": [[file.name, file_digest(file)] for file in files], "identity": None})
    return raw


class Badja:
    """BADJA as a dataset; see the module, and `vgmae_bench.data.dataset.Dataset`.

    Attributes:
        digest: covers the annotations, and the names and sizes of the images. Hashing the images would take minutes.
    """

    def __init__(self, files: list[Path], config: BadjaConfig) -> None:
        self.files = files
        self.ids = [file.stem for file in files]
        self.options: dict[str, Json] = dict(vars(config))
        self._config = config
        self._base = files[0].parents[1]
        self._entries = {file.stem: _entries(file) for file in files}
        images = {name: [[image.name, image.stat().st_size] for image in self._video(name).files] for name in self.ids}
        self.notes = []
        for clip_id, entries in self._entries.items():
            if lost := sum(not self._find(entry["segmentation_path"]).is_file() for entry in entries):
                self.notes.append(f"{clip_id} lacks {lost} of {len(entries)} masks: PCK leaves those frames out")
        sums = {file.stem: file_digest(file) for file in files}
        self.digest = configs.digest({"annotations": sums, "images": images, "options": self.options})

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id.

        Raises:
            BadDataError: annotations or images are damaged, missing or do not belong together.
        """
        file, entries, video = self.files[self.ids.index(clip_id)], self._entries[clip_id], self._video(clip_id)
        names = {image.stem: number for number, image in enumerate(video.files)}
        first = entries[0]["image_path"]
        full = self._find(first) == self._base / first
        height, width = video.size if full else (self._config.annotation_height, self._config.annotation_width)
        num_joints = max(len(entry["joints"]) for entry in entries)
        points = np.full((num_joints, video.num_frames, 2), np.nan, dtype=np.float32)
        seen = np.zeros(points.shape[:2], dtype=bool)
        annotated = np.zeros(video.num_frames, dtype=bool)
        radius = np.full(video.num_frames, np.nan)
        for entry in entries:
            frame = names.get(PurePosixPath(entry["image_path"]).stem)
            if frame is None:
                raise BadDataError(f"{file} does not fit its frames", f"there is no {entry['image_path']}")
            if annotated[frame]:
                raise BadDataError(f"{file} cannot be used", f"it lists {entry['image_path']} twice")
            joints = np.array(entry["joints"], dtype=np.float64).reshape(-1, 2)
            points[: len(joints), frame] = (joints[:, ::-1] + 0.5) / [width, height]
            seen[: len(joints), frame] = entry["visibility"]
            annotated[frame] = True
            radius[frame] = self._radius(entry, video.size)
        with damage(f"{file} cannot be used", "badja"):
            check_tracks(points, ~seen, video.num_frames, video.size, "pixels")
        points[~seen] = np.nan
        ever = seen.any(axis=1)

        def part(start: int, stop: int) -> Uint8Array:
            return stack(itertools.islice(video.frames(start=start), stop - start), stop - start)

        return Clip(
            id=clip_id,
            size=video.size,
            points=points[ever],
            occluded=~seen[ever],
            read=partial(part, 0, video.num_frames),
            part=part,
            parallel=True,
            annotated=annotated,
            radius=radius,
        )

    def _video(self, clip_id: str) -> ImageFolder:
        """The frames of a clip. Raises MissingDataError if there are none, BadDataError if one is missing."""
        folder = self._find(self._entries[clip_id][0]["image_path"]).parent
        if not folder.is_dir():
            raise MissingDataError(
                f"The frames of {clip_id} are missing: they belong in {folder}",
                "BADJA's annotations come without the images, which are those of DAVIS",
                try_=f"unpacking DAVIS 2017 in full resolution (https://davischallenge.org) into {self._base}",
            )
        video = ImageFolder.open(folder, allow_gaps=True)  # checked below
        numbers = [int(image.stem) for image in video.files if image.stem.isdecimal()]
        lost = sorted(set(range(numbers[0], numbers[-1])) - set(numbers)) if numbers else []
        if lost:
            why = f"frame {lost[0]:05} is missing, so later frames would get wrong numbers"
            raise BadDataError(f"The frames of {clip_id} in {folder} are incomplete", why)
        return video

    def _find(self, relative: str) -> Path:
        """An image of DAVIS in the resolution that the annotations name, or in 480p if that folder does not exist."""
        full = self._base / relative
        small = self._base / relative.replace("Full-Resolution", "480p")
        return small if not full.parent.is_dir() and small.parent.is_dir() else full

    def _radius(self, entry: Mapping[str, Any], size: Size) -> float:
        """The radius in pixels of frames of `size`; NaN without a mask."""
        path = self._find(entry["segmentation_path"])
        if not path.is_file():
            return np.nan
        with reading(path), Image.open(path) as image:
            opaque = np.asarray(image.getchannel("A")) > 0 if "A" in image.getbands() else True
            mask = np.asarray(image.convert("RGB") if "A" in image.getbands() else image)
        foreground = (mask.reshape(*mask.shape[:2], -1).any(axis=-1) & opaque).mean()
        return PCK_RADIUS * float(np.sqrt(foreground * size[0] * size[1]))


def _boolean(value: object) -> bool:
    """Reads true and false (as JSON has them), 1 and 0, or text. Raises ValueError for anything else."""
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    text = str(value).strip().lower()
    if text not in known:
        raise ValueError(f"its visibility holds {value!r}, which is neither true nor false")
    return known[text]


def _entries(file: Path) -> list[dict[str, Any]]:
    """The checked annotations of a clip."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        for entry in entries:
            for key in ("image_path", "segmentation_path"):
                entry[key] = entry[key].replace("\\", "/")
                if PurePosixPath(entry[key]).is_absolute() or ".." in PurePosixPath(entry[key]).parts:
                    raise ValueError(f"{entry[key]} points outside the folder")
            entry["visibility"] = [_boolean(value) for value in entry["visibility"]]
            joints = np.array(entry["joints"], dtype=np.float64)
            if joints.shape != (len(entry["visibility"]), 2) or not np.isfinite(joints[entry["visibility"]]).all():
                raise ValueError(f"the joints of {entry['image_path']} are not a row and a column for each visibility")
        if not entries:
            raise ValueError("it lists no frames")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadDataError(f"{file} cannot be used", str(error) or type(error).__name__) from error
    return list(entries)
