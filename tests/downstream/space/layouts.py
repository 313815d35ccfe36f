"""Writes small folders of labelled images in the supported layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)


def square() -> tuple[np.ndarray, np.ndarray]:
    """A bright square on dark, noisy ground, uint8 [24, 32, 3], and its mask, uint8 [24, 32]."""
    mask = np.zeros(SIZE, dtype=np.uint8)
    mask[8:18, 10:22] = 1
    noise = np.random.default_rng(0).integers(0, 30, (*SIZE, 3))
    return (noise + 200 * mask[..., None]).astype(np.uint8), mask


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def write_pairs(root: Path) -> Path:
    image, mask = square()
    for name in ("a", "deep/b"):
        save(root / "images" / f"{name}.jpg", image)
        save(root / "masks" / f"{name}.png", 255 * mask)
    save(root / "images" / "without.jpg", image)
    return root


def write_davis(root: Path, resolution: str = "480p") -> Path:
    image, mask = square()
    for sequence, frames in (("bear", 3), ("camel", 2), ("unlisted", 1)):
        for frame in range(frames):
            save(root / "JPEGImages" / resolution / sequence / f"{frame:05d}.jpg", image)
            palette = Image.fromarray(2 * mask)
            palette.putpalette(
                [0, 0, 0, 128, 0, 0, 0, 128, 0]
            )  # DAVIS stores the numbers of objects as palette indices
            path = root / "Annotations" / resolution / sequence / f"{frame:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            palette.save(path)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("bear\ncamel\n")
    return root


def write_bsds(root: Path) -> Path:
    from scipy.io import savemat

    image, mask = square()
    save(root / "data" / "images" / "test" / "100007.jpg", image)
    people = np.empty((1, 2), dtype=object)
    for index, labels in enumerate((mask + 1, np.ones_like(mask))):
        people[0, index] = {"Segmentation": labels.astype(np.uint16), "Boundaries": np.zeros_like(labels)}
    folder = root / "data" / "groundTruth" / "test"
    folder.mkdir(parents=True)
    savemat(folder / "100007.mat", {"groundTruth": people}, do_compression=True)
    return root
