"""The prepared form of a dataset: one HDF5 file of encoded frames and tracks, opened lazily and checked as it is read.

about                 JSON as uint8: where the clips come from, and id, shape and SHA-256 of every clip
clips/<id>/
    frames            uint8: the frames, one after another: images (JPEG or PNG), or RAW pixels in row order, RGB
    offsets           int64 [T + 1]: where each begins
    crc32             uint32 [T]: of each
    points            float [N, T, 2]: (x, y) in units of the frame, exactly as published: what is scored
    xy                float32 [N, T, 2]: the same in raster pixels of the source, for other programs
    occluded          bool [N, T]
    annotated, radius, asked    of sets that have them (`vgmae_bench.types.Clip`)
attributes of a clip: size (height, width), kind (JPEG, PNG or RAW), fps where known, sha256 of all of the above

No file stays open: objects from here may be copied to other processes by fork or spawn, and any number of them may read at
once. Nothing of a file is believed before it is checked.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.config import Json
from vgmae_bench.data.examples import Example, check_asked, check_tracks
from vgmae_bench.data.video.frames import ImageKind, decode_frames
from vgmae_bench.errors import damage
from vgmae_bench.files import ANOTHER_DATA_ROOT, write_atomically

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
"""What is beside the frames of a clip: kind of dtype, number of axes."""
_ATTRIBUTES = ("size", "kind", "frames_sha256", "fps")
_BLOCK = 16  # frames decoded at once while they are encoded anew
Shape = tuple[int, int, int]
Lossless = Literal["PNG", "RAW"]


def write_prepared(
    path: Path,
    about: Mapping[str, Json],
    examples: Iterable[tuple[str, Example]],
    quality: int | None = None,
    lossless: Lossless = "PNG",
) -> None:
    """Write the prepared form of clips, one in memory at a time; what was at `path` is replaced when all is done.

    Arguments:
        about: for the file's `about`; looked at after the last example.
        examples: clips by id, an id being a file name. Frames that are encoded already are kept byte for byte.
        quality: 1 … 100 stores other frames as JPEGs; None without loss.
        lossless: how that is: PNG takes about half the room of RAW pixels and many times as long to read.

    Raises:
        StorageError: the disk is full, read-only, or otherwise unwilling; `path` is as it was.
    """
    write = partial(_write, about=about, examples=examples, quality=quality, lossless=lossless)
    write_atomically(path, write, try_=ANOTHER_DATA_ROOT)


class PreparedFile:
    """A prepared dataset.

    Attributes:
        path: of the file.
        about: what the file says of itself; `about["clips"]` is left out.
        shapes: (T, H, W) by clip id, in order.
        sums: SHA-256 (hex) by clip id.
        identity: what scores depend on: the published files where frames are as published, else ids and sums of clips.

    Raises:
        BadDataError: it is no such file, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage(f"{path} is not a prepared dataset"), h5py.File(path, "r", locking=False) as file:
            about: dict[str, Any] = json.loads(_values(file, "about", "u", 1)[()].tobytes())
            if about["format"] != FORMAT:
                raise ValueError(f'its format is {about["format"]!r}, not "{FORMAT}"')
            clips = about.pop("clips")
            self.shapes: dict[str, Shape] = {str(name): (int(t), int(h), int(w)) for name, (t, h, w), _ in clips}
            self.sums = {str(name): str(digest) for name, _, digest in clips}
        self.about = about
        self.identity: dict[str, Json] = about.get("identity") or {"clips": [list(item) for item in self.sums.items()]}

    def example(self, clip_id: str) -> Example:
        """The tracks of a clip, checked against its SHA-256; each frame is checked when it is read.

        Raises:
            BadDataError: the clip is damaged; names it, and the frame where it is one.
        """
        num_frames, *size = self.shapes[clip_id]
        with damage(self._where(clip_id)), h5py.File(self.path, "r", locking=False) as file:
            group = file["clips"][clip_id]
            arrays = {name: _values(group, name, *_ARRAYS[name])[()] for name in _ARRAYS if name in group}
            attributes = {name: _plain(group.attrs[name]) for name in _ATTRIBUTES if name in group.attrs}
            if self.sums[clip_id] != _digest(attributes, arrays):
                raise ValueError("its tracks or its table of frames are not what was written (their SHA-256 differs)")
            points, occluded = check_tracks(arrays["points"], arrays["occluded"], num_frames)
            check_asked(arrays.get("asked"), points)
        return Example(
            size=(size[0], size[1]),
            num_frames=num_frames,
            points=points,
            occluded=occluded,
            read=partial(self._frames, clip_id, attributes["kind"], arrays["offsets"], arrays["crc32"]),
            fps=attributes.get("fps"),
            annotated=arrays.get("annotated"),
            radius=arrays.get("radius"),
            asked=arrays.get("asked"),
        )

    def _frames(
        self,
        clip_id: str,
        kind: ImageKind | Literal["RAW"],
        offsets: npt.NDArray[np.int64],
        crc32: npt.NDArray[np.uint32],
        start: int,
        stop: int,
    ) -> npt.NDArray[np.uint8]:
        """Frames start … stop - 1, uint8 [·, H, W, 3] RGB."""
        with damage(self._where(clip_id)), h5py.File(self.path, "r", locking=False) as file:
            stored = _values(file["clips"][clip_id], "frames", "u", 1)
            content: npt.NDArray[np.uint8] = stored[offsets[start] : offsets[stop]]
            frames = np.split(content, offsets[start + 1 : stop] - offsets[start])
            for number, frame in enumerate(frames, start):
                if zlib.crc32(frame.data) != crc32[number]:
                    raise ValueError(f"frame {number} is not what was written (its CRC differs)")
            if kind == "RAW":
                return content.reshape(-1, *self.shapes[clip_id][1:], 3)
            return decode_frames([frame.tobytes() for frame in frames], kind)

    def _where(self, clip_id: str) -> str:
        return f'Clip "{clip_id}" of {self.path} cannot be used'


def _write(
    path: Path,
    about: Mapping[str, Json],
    examples: Iterable[tuple[str, Example]],
    quality: int | None,
    lossless: Lossless,
) -> None:
    clips: list[Json] = []
    with h5py.File(path, "w") as file:
        group = file.create_group("clips")
        for clip_id, example in examples:
            digest = _write_clip(group.create_group(clip_id), example, quality, lossless)
            clips.append([clip_id, [example.num_frames, *example.size], digest])
        text = json.dumps({"format": FORMAT, **about, "clips": clips}, ensure_ascii=False)
        file["about"] = np.frombuffer(text.encode(), dtype=np.uint8)


def _write_clip(group: h5py.Group, example: Example, quality: int | None, lossless: Lossless) -> str:
    """Write one clip; returns its SHA-256."""
    kind = _kind(example, quality, lossless)
    frames = list(_encode(example, kind, quality))
    content = np.concatenate(frames)
    height, width = example.size
    optional = {"annotated": example.annotated, "radius": example.radius, "asked": example.asked}
    arrays = {
        "offsets": np.cumsum([0, *map(len, frames)], dtype=np.int64),
        "crc32": np.array([zlib.crc32(frame.data) for frame in frames], dtype=np.uint32),
        "points": example.points,
        "xy": (example.points * np.array([width, height])).astype(np.float32),
        "occluded": example.occluded,
        **{name: values for name, values in optional.items() if values is not None},
    }
    attributes: dict[str, Any] = {
        "size": [height, width],
        "kind": kind,
        "frames_sha256": hashlib.sha256(content.data).hexdigest(),
        **({} if example.fps is None else {"fps": float(example.fps)}),
    }
    digest = _digest(attributes, arrays)
    group.attrs.update({**attributes, "sha256": digest})
    for name, values in {**arrays, "frames": content}.items():
        group[name] = values
    return digest


def _kind(example: Example, quality: int | None, lossless: Lossless) -> ImageKind | Literal["RAW"]:
    """What the frames of an example become."""
    if example.encoded is not None:
        return "JPEG" if bytes(example.encoded[0]).startswith(b"\xff\xd8") else "PNG"
    return "JPEG" if quality else lossless


def _encode(example: Example, kind: ImageKind | Literal["RAW"], quality: int | None) -> Iterator[npt.NDArray[np.uint8]]:
    """Each frame as uint8 [bytes]."""
    if example.encoded is not None:
        yield from (np.frombuffer(frame, dtype=np.uint8) for frame in example.encoded)
        return
    how: dict[str, Any] = {"quality": quality} if kind == "JPEG" else {"compress_level": 4}
    for start in range(0, example.num_frames, _BLOCK):
        for frame in example.read(start, min(start + _BLOCK, example.num_frames)):
            if kind == "RAW":
                yield frame.reshape(-1)
                continue
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, kind, **how)
            yield np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def _digest(attributes: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 (hex) of all of a clip; its frames take part by their own SHA-256 and CRCs."""
    total = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        total.update(f"{name} {values.dtype.str} {values.shape}".encode())
        total.update(np.ascontiguousarray(values).tobytes())
    return total.hexdigest()


def _values(group: h5py.Group, name: str, kinds: str, axes: int) -> h5py.Dataset:
    """An array of a group. Raises ValueError where it is missing, of another kind, elsewhere, or larger than its bytes."""
    linked = isinstance(group.get(name, getlink=True), h5py.HardLink)
    item = group[name] if linked else None
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in kinds or item.ndim != axes:
        raise ValueError(f"it has no {name} of the kind expected")
    if item.is_virtual or item.external or item.id.get_storage_size() != item.nbytes:
        raise ValueError(f"its {name} are not stored plainly")
    return item


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
