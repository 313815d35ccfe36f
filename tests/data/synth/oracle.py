"""A slow reference ray caster for synthetic scenes: face by face, in world coordinates, independent of the tested code."""

from __future__ import annotations

import numpy as np

from vgmae_bench.data.synth.scene import Scenes


def first_hit(scenes: Scenes, clip: int, frame: int, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth [P] and face [P] (solid * 6 + face) that rays through uv [P, 2] hit first."""
    tangent = scenes.tangent[clip].numpy()
    camera = scenes.camera_rotation[clip, frame].numpy()
    eye = scenes.camera_position[clip, frame].numpy()
    ray = np.concatenate([(2 * uv - 1) * tangent, np.ones((len(uv), 1))], axis=1) @ camera.T
    depth, face = np.full(len(uv), np.inf), np.full(len(uv), -1)
    for solid in range(scenes.half.shape[1]):
        axes = scenes.rotation[clip, frame, solid].numpy()
        centre = scenes.position[clip, frame, solid].numpy()
        half = scenes.half[clip, solid].numpy()
        for side in range(6):
            axis, sign = side // 2, 1 if side % 2 else -1
            normal = sign * axes[:, axis]
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (centre + half[axis] * normal - eye) @ normal / (ray @ normal)
                local = np.abs((eye + t[:, None] * ray - centre) @ axes)
            others = [other for other in range(3) if other != axis]
            hit = (t > 0) & (t < depth) & (local[:, others] <= half[others]).all(axis=1)
            depth, face = np.where(hit, t, depth), np.where(hit, solid * 6 + side, face)
    return depth, face


def place(scenes: Scenes, clip: int, frame: int, solid: int, local: np.ndarray) -> np.ndarray:
    """(u, v, depth) of a point in a solid's axes."""
    world = scenes.rotation[clip, frame, solid].numpy() @ local + scenes.position[clip, frame, solid].numpy()
    x, y, z = scenes.camera_rotation[clip, frame].numpy().T @ (world - scenes.camera_position[clip, frame].numpy())
    tangent = scenes.tangent[clip].numpy()
    return np.array([0.5 + x / z / tangent[0] / 2, 0.5 + y / z / tangent[1] / 2, z])
