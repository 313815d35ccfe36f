"""Renders scenes of synth in the layers of MOVi, with a separate renderer and not with the tested code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from tests.data.synth.oracle import first_hit
from vgmae_bench.data.synth.render import render_video
from vgmae_bench.data.synth.scene import Scenes, SynthConfig, sample_scenes
from vgmae_bench.data.synth.tracks import SurfacePoints, points_seen, track_points

_FLIP = np.diag([1.0, -1.0, -1.0])  # synth looks along +z with y down, Blender along -z with y up


@dataclass(frozen=True, eq=False)
class Render:
    """The layers of a clip [T, H, W, …] as MOVi names them, and its metadata.json."""

    scenes: Scenes
    layers: dict[str, np.ndarray]
    metadata: dict[str, object]

    @property
    def size(self) -> int:
        return self.layers["rgba"].shape[1]

    def exact(self, frame: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tracks [N, T, 2] and occlusion, bool [N, T], of points that are visible in frames [N] at raster pixels xy [N, 2]."""
        frames = len(self.layers["rgba"])
        place = np.column_stack([(frame + 0.5) / frames, xy / self.size])
        points: SurfacePoints = points_seen(self.scenes, torch.from_numpy(place)[None])
        where, occluded = track_points(self.scenes, points, self.size, self.size)
        return where[0].numpy(), occluded[0].numpy()


def render(size: int = 96, frames: int = 8, *, index: int = 0, speed: float = 2.0) -> Render:
    scenes = sample_scenes(SynthConfig(height=size, width=size, frames=frames, speed=speed), [index])
    centres = (np.arange(size) + 0.5) / size
    uv = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    camera, eye = scenes.camera_rotation[0].numpy(), scenes.camera_position[0].numpy()
    turn, centre, half = scenes.rotation[0].numpy(), scenes.position[0].numpy(), scenes.half[0].numpy()
    tangent = scenes.tangent[0].numpy()
    solids = len(half)
    layers: dict[str, list[np.ndarray]] = {
        name: [] for name in ("depth", "segmentation", "normal", "object_coordinates")
    }
    for t in range(frames):
        z, face = first_hit(scenes, 0, t, uv)
        ray = np.concatenate([(2 * uv - 1) * tangent, np.ones((len(uv), 1))], axis=1)
        world = eye[t] + (z[:, None] * ray) @ camera[t].T
        solid, side = face // 6, face % 6
        local = np.einsum("nji,nj->ni", turn[t][solid], world - centre[t][solid])
        axes = turn[t][solid, :, side // 2] * np.where(side % 2, 1, -1)[:, None]
        normal = np.where(solid[:, None] == 0, -axes, axes)
        layers["depth"].append(np.linalg.norm(world - eye[t], axis=1).astype(np.float32).reshape(size, size))
        layers["segmentation"].append(solid.astype(np.uint8).reshape(size, size))
        layers["normal"].append(_sixteen_bits((normal + 1) / 2).reshape(size, size, 3))
        inside = (local / (2 * half[solid]) + 0.5).clip(0, 1)
        layers["object_coordinates"].append(
            _sixteen_bits(np.where(solid[:, None] == 0, 0, inside)).reshape(size, size, 3)
        )
    rgb = render_video(scenes, size, size)[0].numpy()
    alpha = np.full((*rgb.shape[:3], 1), 255, np.uint8)
    corners = np.array(list(product([-1, 1], repeat=3)))
    instances = [
        {
            "bboxes_3d": (centre[:, k, None] + (corners * half[k]) @ turn[:, k].swapaxes(-1, -2)).tolist(),
            "quaternions": _quaternions(turn[:, k]).tolist(),
        }
        for k in range(1, solids)
    ]
    metadata = {
        "metadata": {"num_frames": frames, "resolution": [size, size], "num_instances": solids - 1},
        "camera": {
            "focal_length": 35.0,
            "sensor_width": 70.0 * float(tangent[0]),
            "positions": eye.tolist(),
            "quaternions": _quaternions(camera @ _FLIP).tolist(),
        },
        "instances": instances,
    }
    stacked = {name: np.stack(images) for name, images in layers.items()}
    return Render(scenes, {"rgba": np.concatenate([rgb, alpha], axis=-1), **stacked}, metadata)


def write_render(made: Render, folder: Path) -> Path:
    """Write the files of Kubric's workers: PNGs of 8 and 16 bits, segments with a palette, depth as float TIFF."""
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps(made.metadata))
    for name, images in made.layers.items():
        for number, image in enumerate(images):
            stem = folder / f"{name}_{number:05}"
            if name == "depth":
                Image.fromarray(image).save(stem.with_suffix(".tiff"))
            elif name == "segmentation":
                indexed = Image.fromarray(image).convert("P")
                indexed.putdata(image.ravel().tolist())
                indexed.putpalette([value % 256 for value in range(7, 7 + 768)])
                indexed.save(stem.with_suffix(".png"))
            else:
                stem.with_suffix(".png").write_bytes(png(image))
    return folder


def png(image: np.ndarray) -> bytes:
    """A PNG [H, W] or [H, W, C] of the image's own number of bits."""
    swapped = image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]]
    return cv2.imencode(".png", swapped)[1].tobytes()


def _sixteen_bits(values: np.ndarray) -> np.ndarray:
    return np.round(values * 65535).astype(np.uint16)


def _quaternions(matrices: np.ndarray) -> np.ndarray:
    """(w, x, y, z), by SciPy."""
    return Rotation.from_matrix(matrices).as_quat()[:, [3, 0, 1, 2]]
