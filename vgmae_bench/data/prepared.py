"""Writes and reads the prepared form of a dataset: one HDF5 file of encoded frames and tracks, checked when it is read.

about                 JSON as uint8: where the clips come from, and id, shape and SHA-256 of every clip
clips/<id>/
    frames            uint8: the frames, one after another: images (JPEG or PNG), or RAW pixels in row order, RGB
    offsets           int64 [T + 1]: the byte at which each frame begins
    crc32             uint32 [T]: of each frame
    points            float [N, T, 2]: (x, y) in units of the frame, exactly as published; scores use these
    xy                float32 [N, T, 2]: the same in raster pixels of the source, for other programs
    occluded          bool [N, T]
    annotated, radius, asked    of datasets that have them (`vgmae_bench.types.Clip`)
attributes of a clip: size (height, width), kind (JPEG, PNG or RAW), fps if known, sha256 of all of the above

No file stays open. Other processes can thus get copies of these objects by fork or spawn, and any number of them can read
at once. Everything in a file is checked before it is used.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.config import Json
from vgmae_bench.data.dataset import Coverage, VideoShape, stored_digest
from vgmae_bench.data.video.frames import ImageKind, decode_frames
from vgmae_bench.errors import damage
from vgmae_bench.files import ANOTHER_DATA_ROOT, write_atomically
from vgmae_bench.plugins import DatasetSpec
from vgmae_bench.types import Clip, Size, Uint8Array

FORMAT = "vgmae-bench prepared clips 1"
_ARRAYS = {
    "offsets": ("i", 1),
    "crc32": ("u", 1),
    "points": ("f", 3),
    "xy": ("f", 3),
    "occluded": ("b", 2),
    "annotated": ("b", 1),
    "radius": ("f", 1),
    "asked": ("i", 1),
}
"""Arrays of a clip other than frames: kind of dtype, number of axes."""
_OPTIONAL = ("annotated", "radius", "asked")
_ATTRIBUTES = ("size", "kind", "frames_sha256", "fps")
_BLOCK = 16  # frames in memory at once while they are encoded again
Lossless = Literal["PNG", "RAW"]
FrameKind = ImageKind | Literal["RAW"]
Arrays = Mapping[str, npt.NDArray[Any]]


def write_prepared(
    path: Path,
    about: Mapping[str, Json],
    clips: Iterable[Clip],
    quality: int | None = None,
    lossless: Lossless = "PNG",
) -> None:
    """Write the prepared form of clips. Memory holds one clip at a time. A file at `path` is replaced only at the end.

    Arguments:
        about: content of the file's `about`; read after the last clip.
        clips: their ids are valid file names. Encoded frames are stored byte for byte.
        quality: JPEG quality, 1 to 100, for other frames; None stores them without loss.
        lossless: lossless storage of frames. PNG takes about half the space of RAW pixels, but reading takes many times
            as long.

    Raises:
        StorageError: the file cannot be written, for example because the disk is full. `path` is unchanged.
    """

    def write(temporary: Path) -> None:
        listed: list[Json] = []
        with h5py.File(temporary, "w") as file:
            group = file.create_group("clips")
            for clip in clips:
                digest = _write_clip(group.create_group(clip.id), clip, quality, lossless)
                listed.append([clip.id, [clip.num_frames, *clip.size], digest])
            text = json.dumps({"format": FORMAT, **about, "clips": listed}, ensure_ascii=False)
            file["about"] = np.frombuffer(text.encode(), dtype=np.uint8)

    write_atomically(path, write, try_=ANOTHER_DATA_ROOT)


class PreparedDataset:
    """A prepared file as a dataset (see `vgmae_bench.data.dataset.Dataset`).

    Arguments:
        path: the file.
        spec: the declaration of the dataset; None for a file without one.

    Attributes:
        path: the file.
        about: the file's provenance, without `about["clips"]`.
        shapes: (T, H, W) by clip id, in evaluation order.
        sums: SHA-256 (hex) by clip id.
        identity: what scores depend on. If frames are stored as published: the published files. Otherwise: ids and digests
            of the clips.
        digest: equal to the digest of the published files, if frames are stored as published.

    Raises:
        BadDataError: the file is damaged, or is not a prepared dataset.
    """

    def __init__(self, path: Path, spec: DatasetSpec | None = None) -> None:
        self.path = path
        with damage(f"{path} is not a prepared dataset"), h5py.File(path, "r", locking=False) as file:
            about: dict[str, Any] = json.loads(_values(file, "about", "u", 1)[()].tobytes())
            if about["format"] != FORMAT:
                raise ValueError(f'its format is {about["format"]!r}, not "{FORMAT}"')
            clips = about.pop("clips")
            self.shapes: dict[str, VideoShape] = {str(name): (int(t), int(h), int(w)) for name, (t, h, w), _ in clips}
            self.sums = {str(name): str(digest) for name, _, digest in clips}
            if len(self.sums) < len(clips):
                raise ValueError("it lists a clip twice")
        self.about = about
        self.identity: dict[str, Json] = about.get("identity") or {"clips": [list(item) for item in self.sums.items()]}
        # In the digest of a prepared dataset, and thus in every record.
        self.options: dict[str, Json] = {"point_scale": "full"}
        self.digest = stored_digest(self.identity, self.options)
        self.ids = list(self.shapes)
        self.files = [path]
        self.notes: list[str] = []
        self.own_queries = bool(about.get("own_queries"))
        published, missing = spec.published_clips if spec else None, about.get("missing")
        if missing is None and published == len(self.ids):
            missing = []
        self.coverage = Coverage(published, len(self.ids), missing)

    def clip(self, clip_id: str) -> Clip:
        """The clip with this id. Its tracks are compared with its SHA-256, and each frame with its CRC when it is read.

        Raises:
            BadDataError: the clip is damaged. The message names the clip, and the frame if one is damaged.
        """
        num_frames, height, width = self.shapes[clip_id]
        with damage(self._where(clip_id)), h5py.File(self.path, "r", locking=False) as file:
            group = file["clips"][clip_id]
            arrays = {name: _values(group, name, *_ARRAYS[name])[()] for name in _ARRAYS if name in group}
            stored = {name: group.attrs[name] for name in _ATTRIBUTES if name in group.attrs}
            attributes: dict[str, Any] = {name: np.asarray(value).tolist() for name, value in stored.items()}
            if self.sums[clip_id] != _digest(attributes, arrays):
                raise ValueError("its tracks or its table of frames are not what was written (their SHA-256 differs)")
            if (arrays["points"].shape[1], *attributes["size"]) != (num_frames, height, width):
                raise ValueError(
                    f"the file lists it as {num_frames} frames of {width} × {height} pixels, which is wrong"
                )
            part = partial(self._frames, clip_id, attributes["kind"], arrays)
            return Clip(
                id=clip_id,
                size=(height, width),
                points=arrays["points"],
                occluded=arrays["occluded"],
                read=partial(part, 0, num_frames),
                part=part,
                parallel=True,
                resized=None if attributes["kind"] == "RAW" else part,
                fps=attributes.get("fps"),
                **{name: arrays[name] for name in _OPTIONAL if name in arrays},
            )

    def _frames(
        self, clip_id: str, kind: FrameKind, arrays: Arrays, start: int, stop: int, size: Size | None = None
    ) -> Uint8Array:
        """Frames `start` to `stop - 1`: uint8 [stop - start, H, W, 3] RGB; of another size only if they are encoded."""
        offsets, crc32 = arrays["offsets"], arrays["crc32"]
        with damage(self._where(clip_id)), h5py.File(self.path, "r", locking=False) as file:
            stored = _values(file["clips"][clip_id], "frames", "u", 1)
            content: Uint8Array = stored[offsets[start] : offsets[stop]]
            frames = np.split(content, offsets[start + 1 : stop] - offsets[start])
            for number, frame in enumerate(frames, start):
                if zlib.crc32(frame.data) != crc32[number]:
                    raise ValueError(f"frame {number} is not what was written (its CRC differs)")
            if kind == "RAW":
                return content.reshape(-1, *self.shapes[clip_id][1:], 3)
            return decode_frames([frame.tobytes() for frame in frames], kind, size)

    def _where(self, clip_id: str) -> str:
        return f'Clip "{clip_id}" of {self.path} cannot be used'


def _write_clip(group: h5py.Group, clip: Clip, quality: int | None, lossless: Lossless) -> str:
    """Write one clip. Returns its SHA-256 (hex)."""
    kind, frames = _encoded(clip, quality, lossless)
    content = np.concatenate(frames)
    height, width = clip.size
    arrays = {
        "offsets": np.cumsum([0, *map(len, frames)], dtype=np.int64),
        "crc32": np.array([zlib.crc32(frame.data) for frame in frames], dtype=np.uint32),
        "points": clip.points,
        "xy": (clip.points * np.array([width, height])).astype(np.float32),
        "occluded": clip.occluded,
        **{name: values for name in _OPTIONAL if (values := getattr(clip, name)) is not None},
    }
    attributes: dict[str, Any] = {
        "size": [height, width],
        "kind": kind,
        "frames_sha256": hashlib.sha256(content.data).hexdigest(),
        **({} if clip.fps is None else {"fps": float(clip.fps)}),
    }
    digest = _digest(attributes, arrays)
    group.attrs.update({**attributes, "sha256": digest})
    for name, values in {**arrays, "frames": content}.items():
        group[name] = values
    return digest


def _encoded(clip: Clip, quality: int | None, lossless: Lossless) -> tuple[FrameKind, list[Uint8Array]]:
    """The form in which the frames of a clip are stored, and each frame as uint8 [number of bytes]."""
    if clip.encoded is not None:
        kind: ImageKind = "JPEG" if clip.encoded[0].startswith(b"\xff\xd8") else "PNG"
        return kind, [np.frombuffer(frame, dtype=np.uint8) for frame in clip.encoded]
    frames = itertools.chain.from_iterable(clip.blocks(_BLOCK))
    if quality:
        return "JPEG", [_image(frame, "JPEG", quality=quality) for frame in frames]
    if lossless == "PNG":
        return "PNG", [_image(frame, "PNG", compress_level=4) for frame in frames]
    return "RAW", [frame.reshape(-1) for frame in frames]


def _image(frame: Uint8Array, kind: ImageKind, **how: int) -> Uint8Array:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, kind, **how)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def _digest(attributes: Mapping[str, Any], arrays: Arrays) -> str:
    """SHA-256 (hex) of a clip. For the frames, it covers their SHA-256 and CRCs."""
    total = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        total.update(f"{name} {values.dtype.str} {values.shape}".encode())
        total.update(np.ascontiguousarray(values).tobytes())
    return total.hexdigest()


def _values(group: h5py.Group, name: str, kinds: str, axes: int) -> h5py.Dataset:
    """An array of a group. Raises ValueError if it is missing, has another kind, is external, or claims more than it stores."""
    linked = isinstance(group.get(name, getlink=True), h5py.HardLink)
    item = group[name] if linked else None
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in kinds or item.ndim != axes:
        raise ValueError(f"it has no {name} of the expected kind")
    if item.is_virtual or item.external or item.id.get_storage_size() != item.nbytes:
        raise ValueError(f"its {name} are not stored plainly")
    return item
