"""Similarity of two images (PSNR, SSIM), and figure-ground overlap (IoU)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.floating]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(image: Picture, truth: Picture, where: Mask) -> float:
    """Peak signal-to-noise ratio in dB over the pixels `where`. Images are RGB [H, W, 3] in [0, 1]."""
    error = float(np.mean((image[where].astype(np.float64) - truth[where]) ** 2))
    return float(-10 * np.log10(max(error, 1e-10)))


def ssim(image: Picture, truth: Picture, where: Mask) -> float:
    """Structural similarity (Wang et al., TIP 2004), averaged over the pixels `where` and the three channels.

    Images are RGB [H, W, 3] in [0, 1]. The window is Gaussian, 11 pixels wide with σ = 1.5, as in the paper. The image is
    mirrored at its border.
    """
    # scikit-image has the same measure. It would be one more dependency, for these six lines.

    def blur(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT))

    x, y = image.astype(np.float64), truth.astype(np.float64)
    mx, my = blur(x), blur(y)
    xx, yy, xy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    similar = (2 * mx * my + _C1) * (2 * xy + _C2) / ((mx**2 + my**2 + _C1) * (xx + yy + _C2))
    return float(similar[where].mean())


def figure_ground(found: Mask, truth: Mask) -> tuple[float, float]:
    """IoU of the figure, and the mean of the IoUs of figure and ground (mIoU). An empty union counts as 1."""

    def iou(a: Mask, b: Mask) -> float:
        union = int((a | b).sum())
        return int((a & b).sum()) / union if union else 1.0

    figure = iou(found, truth)
    return figure, (figure + iou(~found, ~truth)) / 2
