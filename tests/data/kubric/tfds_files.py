"""TFRecord files of Examples in the layout that TFDS gives MOVi-E and MOVi-F, written without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

from tests.data.kubric.renders import Render, png

Features = Mapping[str, list[bytes] | np.ndarray]


def write_records(path: Path, contents: Iterable[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for content in contents:
            length = struct.pack("<Q", len(content))
            file.write(length + masked_crc(length) + content + masked_crc(content))
    return path


def masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32)


def encode_example(features: Features) -> bytes:
    """Lists of bytes, arrays of floats and arrays of integers, flat, as TFDS stores tensors."""
    entries = [_field(1, _field(1, name.encode()) + _field(2, _feature(values))) for name, values in features.items()]
    return _field(1, b"".join(entries))


def movi_features(made: Render, name: str) -> dict[str, list[bytes] | np.ndarray]:
    """What TFDS stores of a render; depth has 16 bits between its least and largest value."""
    layers, depth = made.layers, made.layers["depth"].astype(np.float64)
    low, high = float(depth.min()), float(depth.max())
    camera, instances = made.metadata["camera"], made.metadata["instances"]
    assert isinstance(camera, dict) and isinstance(instances, list)
    return {
        "metadata/video_name": [name.encode()],
        "metadata/num_frames": np.array([len(depth)]),
        "metadata/depth_range": np.array([low, high], np.float32),
        "video": [png(frame) for frame in layers["rgba"][..., :3]],
        "segmentations": [png(frame) for frame in layers["segmentation"]],
        "depth": [png(np.round((frame - low) / (high - low) * 65535).astype(np.uint16)) for frame in depth],
        "normal": [png(frame) for frame in layers["normal"]],
        "object_coordinates": [png(frame) for frame in layers["object_coordinates"]],
        "forward_flow": np.arange(3 * 4 * 4 * 2) * 300,  # not read
        "instances/bboxes_3d": np.array([one["bboxes_3d"] for one in instances], np.float32).ravel(),
        "instances/quaternions": np.array([one["quaternions"] for one in instances], np.float32).ravel(),
        "camera/focal_length": np.array([camera["focal_length"]], np.float32),
        "camera/sensor_width": np.array([camera["sensor_width"]], np.float32),
        "camera/positions": np.array(camera["positions"], np.float32).ravel(),
        "camera/quaternions": np.array(camera["quaternions"], np.float32).ravel(),
    }


def _feature(values: list[bytes] | np.ndarray) -> bytes:
    if isinstance(values, list):
        return _field(1, b"".join(_field(1, item) for item in values))
    if values.dtype.kind == "f":
        return _field(2, _field(1, values.astype("<f4").tobytes()))
    return _field(3, _field(1, b"".join(_varint(int(value)) for value in values)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number >= 128:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
