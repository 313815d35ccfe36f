"""Baselines without learning, for comparison with image models."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench.models.explorer import Image, Seen
from vgmae_bench.types import BoolArray

CANNY_BLUR = 1.4
"""Standard deviation of the smoothing before Canny, pixels (Canny, PAMI 1986, leaves it open)."""
CANNY_LEVELS = 19
"""Number of upper thresholds. Each lower threshold is 0.4 of the upper one."""
CANNY_STRONGEST = 400.0


def centre_prior(image: Image) -> Seen:
    """Take an ellipse in the middle as the figure, half as high and half as wide as the image."""
    height, width = image.shape[:2]
    y, x = ((np.arange(n) + 0.5) / n * 2 - 1 for n in (height, width))
    return Seen(figure=np.hypot(x[None], y[:, None]) < 0.5)


def otsu(image: Image) -> Seen:
    """Split the image into bright and dark (Otsu, 1979). The figure is the part with fewer pixels on the border."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    bright = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1] > 0
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return Seen(figure=~bright if border.mean() > 0.5 else bright)


def canny(image: Image) -> Seen:
    """Canny's outlines. The strength of a pixel is the highest threshold at which it is an outline, as a share of all."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), CANNY_BLUR)
    strength = np.zeros(grey.shape, dtype=np.float32)
    for level in range(1, CANNY_LEVELS + 1):
        upper = CANNY_STRONGEST * level / CANNY_LEVELS
        strength[cv2.Canny(grey, 0.4 * upper, upper, L2gradient=True) > 0] = level / CANNY_LEVELS
    return Seen(outlines=strength)


LOOKS: dict[str, Callable[[Image], Seen]] = {"centre prior": centre_prior, "Otsu": otsu, "Canny": canny}


def mean_colour(image: Image, hidden: BoolArray) -> npt.NDArray[np.float32]:
    """Fill an image with the mean colour of its visible pixels: float32 [S, S, 3] in [0, 1]. `hidden` is bool [S, S]."""
    return np.broadcast_to((image[~hidden] / 255).mean(axis=0), image.shape).astype(np.float32)


def blurred(image: Image, hidden: BoolArray, sigma: float) -> npt.NDArray[np.float32]:
    """Blur the visible pixels of an image over the hidden ones (normalised convolution).

    Arguments:
        image: uint8 [S, S, 3] RGB.
        hidden: bool [S, S].
        sigma: standard deviation of the Gaussian, pixels.

    Returns:
        float32 [S, S, 3] in [0, 1].
    """
    seen = (~hidden).astype(np.float64)
    share = cv2.GaussianBlur(seen, (0, 0), sigma)[..., None] + 1e-6
    colour = cv2.GaussianBlur(image / 255 * seen[..., None], (0, 0), sigma)
    mean = mean_colour(image, hidden)
    return np.asarray((colour + 1e-6 * mean) / share, dtype=np.float32)
