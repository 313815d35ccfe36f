"""Shows optical flow as colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vgmae_bench.types import FloatArray

FULL_COLOUR = 1 / 32
"""Speed of full saturation, as a fraction of the frame's width per frame. Faster flow looks the same."""


def colour_flow(flow: FloatArray) -> npt.NDArray[np.uint8]:
    """Turn flow into colours. The hue shows the direction, the saturation shows the speed. White means no motion.

    Arguments:
        flow: float [..., H, W, 2], pixels per frame, (x, y).

    Returns:
        uint8 [..., H, W, 3] RGB.
    """
    from matplotlib.colors import hsv_to_rgb

    x, y = np.moveaxis(np.asarray(flow, dtype=np.float64), -1, 0)
    speed = np.hypot(x, y) / (FULL_COLOUR * flow.shape[-2])
    hsv = np.stack([np.arctan2(y, x) / (2 * np.pi) % 1, speed.clip(0, 1), np.ones_like(speed)], axis=-1)
    return (hsv_to_rgb(hsv) * 255).astype(np.uint8)
