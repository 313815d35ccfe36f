"""Measure a model of images and the baselines on labelled images, image by image and in summary.

DIR/
    record.json     model, data, settings, versions
    metrics.csv     one row for each image and method
    summary.json    means and F-measures with 95 % bootstrap intervals over images, or over sequences if there are any
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vgmae_bench.downstream.space import baselines, boundaries
from vgmae_bench.downstream.space.labelled import Labelled
from vgmae_bench.evaluation.records.others import Estimate, SpatialRecord, SpatialSummary
from vgmae_bench.files import make_folder, write_atomically
from vgmae_bench.metrics.stats import clip_bootstrap, finite
from vgmae_bench.models.explorer import Explorer, Image, Seen
from vgmae_bench.types import BoolArray

MEANS = {"miou": "figure-ground mIoU", "figure_iou": "figure IoU", "psnr": "PSNR (dB)", "ssim": "SSIM"}
"""Measures that are averaged over images, with their names in tables."""
F_MEASURES = {"ods": "outlines ODS F", "ois": "outlines OIS F"}


@dataclass
class Results:
    """Results of one method: values of each image, and the counts for its F-measures."""

    rows: list[dict[str, float]] = field(default_factory=list)
    counts: list[npt.NDArray[np.float64]] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """All results. `names` and `groups` have one entry for each image."""

    names: list[str]
    groups: list[str]
    methods: dict[str, Results]

    def summary(self) -> SpatialSummary:
        """Estimates by method and measure. A method has only the measures that it gives."""
        return SpatialSummary(len(self.names), {name: self._of(method) for name, method in self.methods.items()})

    def _of(self, method: Results) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        if method.counts:
            found = dict(zip(F_MEASURES, boundaries.ods_ois(np.stack(method.counts), self.groups), strict=True))
        said = [name for name in MEANS if name in method.rows[0]]
        values = np.array([[row[name] for name in said] for row in method.rows])
        if said:
            means = clip_bootstrap(values, self.groups)
            found |= {
                name: Estimate(mean.value, (finite(mean.low), finite(mean.high)))
                for name, mean in zip(said, means, strict=True)
            }
        return found


def measure(named: dict[str, Explorer], labelled: Iterable[Labelled], *, mask_ratio: float, seed: int) -> Measured:
    """Measure models and `vgmae_bench.downstream.space.baselines` on every image.

    Arguments:
        named: models by their name in tables. All reconstruct the same hidden pixels: patches of the first model's grid.
        labelled: the images.
        mask_ratio: share of hidden patches. int(g² (1 - ratio)) patches stay visible.
        seed: seed of the choice of patches.

    Raises:
        BadDataError: an image or its labels cannot be read.
    """
    looks: dict[str, Callable[[Image], Seen]] = {name: model.look for name, model in named.items()}
    looks |= baselines.LOOKS
    measured = Measured([], [], {})
    for index, item in enumerate(labelled):
        image, labels = item.read()
        measured.names.append(item.name)
        measured.groups.append(item.group)
        truths = [boundaries.outlines_of(one) for one in labels]
        values: dict[str, dict[str, float]] = {name: {} for name in looks}
        for name, look in looks.items():
            seen = look(image)
            if item.has_figure and seen.figure is not None:
                figure, both = figure_ground(seen.figure, labels[0] > 0)
                values[name] |= {"miou": both, "figure_iou": figure}
            if seen.outlines is not None:
                counts = boundaries.count_matches(seen.outlines, truths)
                measured.methods.setdefault(name, Results()).counts.append(counts)
                values[name]["best_f"] = float(boundaries.f_measure(counts).max())
        for name, rebuilt in _rebuilt(named, image, mask_ratio, np.random.default_rng([seed, index])).items():
            values.setdefault(name, {}).update(rebuilt)
        for name, row in values.items():
            measured.methods.setdefault(name, Results()).rows.append(row)
    return measured


def _rebuilt(
    named: dict[str, Explorer], image: Image, mask_ratio: float, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """PSNR and SSIM over hidden pixels, when each method reconstructs an image from a random part of its patches."""
    model = next(iter(named.values()))
    size, g = model.image_size, model.grid
    square = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    hidden = (rng.permutation(g * g) >= max(1, int(g * g * (1 - mask_ratio)))).reshape(g, g)
    where = hidden.repeat(size // g, axis=0).repeat(size // g, axis=1)
    if not where.any():
        where[:] = True
    pictures = {name: one.rebuild(square, hidden) for name, one in named.items()}
    if not where.all():
        pictures |= {
            "mean colour": baselines.mean_colour(square, where),
            "blurred input": baselines.blurred(square, where, size / g),
        }
    truth = square / 255
    return {
        name: {"psnr": psnr(picture, truth, where), "ssim": ssim(picture, truth, where)}
        for name, picture in pictures.items()
    }


def write(out: Path, measured: Measured, summary: SpatialSummary, record: SpatialRecord) -> None:
    """Write the files named above.

    Raises:
        StorageError: they cannot be written.
    """
    import pandas as pd

    make_folder(out)
    rows: list[dict[str, Any]] = [
        {"image": image, "group": group, "method": name, **row}
        for name, method in measured.methods.items()
        for image, group, row in zip(measured.names, measured.groups, method.rows, strict=True)
    ]
    table = pd.DataFrame(rows)
    write_atomically(out / "metrics.csv", lambda temporary: table.to_csv(temporary, index=False))
    summary.write(out / "summary.json")
    record.write(out / "record.json")


Picture = npt.NDArray[np.floating]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(image: Picture, truth: Picture, where: BoolArray) -> float:
    """Peak signal-to-noise ratio in dB over the pixels `where`. Images are RGB [H, W, 3] in [0, 1]."""
    error = float(np.mean((image[where].astype(np.float64) - truth[where]) ** 2))
    return float(-10 * np.log10(max(error, 1e-10)))


def ssim(image: Picture, truth: Picture, where: BoolArray) -> float:
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


def figure_ground(found: BoolArray, truth: BoolArray) -> tuple[float, float]:
    """IoU of the figure, and the mean of the IoUs of figure and ground (mIoU). An empty union counts as 1."""

    def iou(a: BoolArray, b: BoolArray) -> float:
        union = int((a | b).sum())
        return int((a & b).sum()) / union if union else 1.0

    figure = iou(found, truth)
    return figure, (figure + iou(~found, ~truth)) / 2
