"""A scene rendered by Kubric, from a TFDS record or from the folder of a raw render. Tracks are derived from it.

Layers and metadata are those of MOVi-E and MOVi-F (Greff et al., Kubric, CVPR 2022; challenges/movi of
google-research/kubric). Optical flow is not read, because tracks do not need it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from vgmae_bench.data.kubric.tfrecord import Example
from vgmae_bench.types import describe

_LARGEST = 8192  # pixels per side; limits the memory that a header can ask for
_PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True, eq=False)
class KubricScene:
    """T square frames of H × W pixels with I instances. World units are metres. Quaternions are (w, x, y, z), to world.

    Attributes:
        frames: uint8 [T, H, W, 3] RGB.
        segments: [T, H, W] integers: 0 is background, k is instance k - 1.
        depth: float [T, H, W], the distance to the camera's centre (not z).
        normals: uint16 [T, H, W, 3], 0 … 65535 for -1 … 1, in world axes.
        coordinates: uint16 [T, H, W, 3], 0 … 65535 across the instance's box.
        boxes: float [I, T, 8, 3], corners in world coordinates. The box's last axis changes fastest; its low side comes
            first.
        quaternions: float [I, T, 4].
        focal: focal length divided by sensor width, that is, in units of the frame's width.
        camera_position, camera_quaternion: float [T, 3] and [T, 4]. A camera looks along its -z axis; y is up.

    Raises:
        ValueError: shapes disagree, values are not finite, frames are not square, or a segment has no instance.
    """

    frames: npt.NDArray[np.uint8]
    segments: npt.NDArray[np.integer[Any]]
    depth: npt.NDArray[np.floating[Any]]
    normals: npt.NDArray[np.uint16]
    coordinates: npt.NDArray[np.uint16]
    boxes: npt.NDArray[np.floating[Any]]
    quaternions: npt.NDArray[np.floating[Any]]
    focal: float
    camera_position: npt.NDArray[np.floating[Any]]
    camera_quaternion: npt.NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        shape, count = self.segments.shape, len(self.boxes)
        if len(shape) != 3 or 0 in shape or shape[1] != shape[2]:
            raise ValueError(f"frames must be square, not {list(shape)}")
        wanted: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "frames": ((*shape, 3), np.uint8),
            "segments": (shape, np.unsignedinteger),
            "depth": (shape, np.floating),
            "normals": ((*shape, 3), np.uint16),
            "coordinates": ((*shape, 3), np.uint16),
            "boxes": ((count, shape[0], 8, 3), np.floating),
            "quaternions": ((count, shape[0], 4), np.floating),
            "camera_position": ((shape[0], 3), np.floating),
            "camera_quaternion": ((shape[0], 4), np.floating),
        }
        for name, (size, kind) in wanted.items():
            values = getattr(self, name)
            if values.shape != size or not np.issubdtype(values.dtype, kind) or not np.isfinite(values).all():
                raise ValueError(f"its {name} must be finite {kind.__name__} {list(size)}, not {describe(values)}")
        if not (self.quaternions.any(axis=-1).all() and self.camera_quaternion.any(axis=-1).all()):
            raise ValueError("a quaternion is zero")
        if not 0 < self.focal < np.inf:
            raise ValueError(f"its focal length is {self.focal}")
        if self.segments.max() > count:
            raise ValueError(f"segment {self.segments.max()} is not one of its {count} instances")


def scene_of_record(content: bytes) -> tuple[str, KubricScene]:
    """Name and scene of a record in the TFDS layout of MOVi-E and MOVi-F; the name is "" if the record has none.

    Raises:
        ValueError: something is missing or does not fit.
    """
    record = Example(content)
    layers = ("video", "segmentations", "depth", "normal", "object_coordinates")
    video, segments, depth, normals, coordinates = (_stack(record.byte_strings(layer)) for layer in layers)
    num_frames = len(video)
    low, high = record.floats("metadata/depth_range").astype(np.float64)
    focal, sensor = (record.floats(f"camera/{name}")[0] for name in ("focal_length", "sensor_width"))
    names = record.byte_strings("metadata/video_name") if "metadata/video_name" in record else [b""]
    return names[0].decode(), KubricScene(
        frames=video[..., :3].astype(np.uint8, casting="safe"),
        segments=segments,
        depth=low + depth / 65535 * (high - low),
        normals=normals,
        coordinates=coordinates,
        boxes=record.floats("instances/bboxes_3d").reshape(-1, num_frames, 8, 3),
        quaternions=record.floats("instances/quaternions").reshape(-1, num_frames, 4),
        focal=float(focal) / float(sensor),
        camera_position=record.floats("camera/positions").reshape(-1, 3),
        camera_quaternion=record.floats("camera/quaternions").reshape(-1, 4),
    )


def scene_files(folder: Path) -> list[Path]:
    """The files of a raw render that are read: metadata.json, and one file per frame for each layer."""
    layers = ("rgba_*.png", "segmentation_*.png", "depth_*.tiff", "normal_*.png", "object_coordinates_*.png")
    return [folder / "metadata.json", *(file for layer in layers for file in sorted(folder.glob(layer)))]


def scene_of_folder(folder: Path) -> KubricScene:
    """The scene of a raw render: `<layer>_<frame>.png`, `depth_<frame>.tiff` and metadata.json, as Kubric's workers write.

    Raises:
        OSError, ValueError, LookupError, TypeError: something is missing or does not fit.
    """
    about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    num_frames = int(about["metadata"]["num_frames"])
    if not 0 < num_frames <= len(list(folder.glob("rgba_*.png"))):
        raise ValueError(f"it has fewer than the {num_frames} frames of its metadata.json")

    def layer(name: str) -> npt.NDArray[Any]:
        return _stack([(folder / f"{name}_{frame:05}.png").read_bytes() for frame in range(num_frames)])

    def numbers(values: object, *shape: int) -> npt.NDArray[np.float64]:
        return np.array(values, dtype=np.float64).reshape(shape)

    instances, camera = about["instances"], about["camera"]
    return KubricScene(
        frames=layer("rgba")[..., :3].astype(np.uint8, casting="safe"),
        segments=layer("segmentation"),
        depth=np.stack([_tiff(folder / f"depth_{frame:05}.tiff") for frame in range(num_frames)]),
        normals=layer("normal"),
        coordinates=layer("object_coordinates"),
        boxes=numbers([one["bboxes_3d"] for one in instances], len(instances), num_frames, 8, 3),
        quaternions=numbers([one["quaternions"] for one in instances], len(instances), num_frames, 4),
        focal=float(camera["focal_length"]) / float(camera["sensor_width"]),
        camera_position=numbers(camera["positions"], num_frames, 3),
        camera_quaternion=numbers(camera["quaternions"], num_frames, 4),
    )


def _stack(images: Sequence[bytes]) -> npt.NDArray[Any]:
    """PNGs of one size as [T, H, W] (palette indices or grey) or [T, H, W, C] (RGB or RGBA)."""
    frames = [_png(content) for content in images]
    if not frames:
        raise ValueError("a layer has no frames")
    kinds = {describe(frame) for frame in frames}
    if len(kinds) > 1:
        raise ValueError(f"the frames of a layer differ: {' and '.join(sorted(kinds))}")
    return np.stack(frames)


def _png(content: bytes) -> npt.NDArray[Any]:
    """A PNG of 8 or 16 bits, [H, W] or [H, W, C].

    Pillow cuts 16-bit colours to 8 bits. OpenCV turns palettes into colours. Each library reads the images that the
    other cannot.
    """
    if not content.endswith(_PNG_END):
        raise ValueError("an image is not a whole PNG")
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if max(image.size) > _LARGEST:
            raise ValueError(f"an image of {image.width} × {image.height} pixels")
        if image.mode == "P":
            return np.array(image)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(str(error)) from error
    if pixels is None:
        raise ValueError("a PNG is damaged")
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _tiff(path: Path) -> npt.NDArray[np.float32]:
    with Image.open(path, formats=["TIFF"]) as image:
        if image.mode != "F" or max(image.size) > _LARGEST:
            raise ValueError(f"{path.name} is not one channel of float32, at most {_LARGEST} pixels a side")
        return np.array(image)
