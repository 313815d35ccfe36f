from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.downstream.space.layouts import square, write_bsds, write_davis
from vgmae_bench.downstream.space import baselines
from vgmae_bench.downstream.space.boundaries import outlines_of
from vgmae_bench.downstream.space.labelled import open_labelled
from vgmae_bench.downstream.space.measure import Measured, figure_ground, measure, psnr, ssim, write
from vgmae_bench.evaluation.records.others import Estimate, ImagesUsed, SpatialRecord
from vgmae_bench.evaluation.records.results import MethodUsed, Session
from vgmae_bench.models.explorer import Seen


class Knowing:
    """A perfect model of the square: exact figure, outlines and reconstruction."""

    note = ""
    image_size, grid = 16, 4

    def explore(self, image: np.ndarray) -> Any:
        raise AssertionError

    def untrained(self, seed: int) -> Knowing:
        return self

    def look(self, image: np.ndarray) -> Seen:
        mask = square()[1]
        return Seen(mask > 0, outlines_of(mask.astype(np.int64)).astype(np.float32))

    def rebuild(self, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        assert (hidden.shape, hidden.sum()) == ((4, 4), 12)
        return (image / 255).astype(np.float32)


def measured(root: Path) -> Measured:
    return measure({"knowing": Knowing()}, open_labelled(str(root)).images, mask_ratio=0.75, seed=0)


def test_the_ground_truth_scores_one_and_the_table_has_baselines(tmp_path: Path) -> None:
    summary = measured(write_davis(tmp_path)).summary().methods
    for name in ("miou", "figure_iou", "ods", "ois", "ssim"):
        assert summary["knowing"][name] == Estimate(pytest.approx(1), (pytest.approx(1), pytest.approx(1))), name
    assert summary["Otsu"]["miou"].value > 0.95 > summary["centre prior"]["miou"].value > 0.3
    assert set(summary["Canny"]) == {"ods", "ois"}
    assert summary["Canny"]["ods"].value > 0.3  # on so small an image nothing may be a whole pixel off
    assert set(summary["mean colour"]) == {"psnr", "ssim"}
    assert summary["blurred input"]["psnr"].value > summary["mean colour"]["psnr"].value


def test_without_figures_only_outlines_and_reconstructions_are_measured(tmp_path: Path) -> None:
    summary = measured(write_bsds(tmp_path)).summary().methods
    assert set(summary["knowing"]) == {"ods", "ois", "psnr", "ssim"}
    assert set(summary["Otsu"]) == set()
    assert summary["knowing"]["ods"].ci95 == (None, None)  # a single image


def test_spatial_writes_all_documented_files(tmp_path: Path) -> None:
    found = measured(write_davis(tmp_path / "davis"))
    data = ImagesUsed("davis", "some digest", 5)
    record = SpatialRecord(method=MethodUsed("knowing"), data=data, mask_ratio=0.75, session=Session.now("cpu", "x"))
    write(tmp_path / "out", found, found.summary(), record)
    table = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert table.groupby("method").size().to_dict() == dict.fromkeys(found.methods, 5)
    assert set(table["group"]) == {"bear", "camel"}
    kept = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert kept["images"] == 5
    assert kept["methods"]["knowing"]["miou"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    assert SpatialRecord.read(tmp_path / "out" / "record.json") == record
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.csv", "record.json", "summary.json"]


def test_the_blur_baseline_uses_only_visible_patches() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    hidden = np.zeros((16, 16), dtype=np.bool_)
    hidden[4:8] = True
    other = image.copy()
    other[hidden] = 0
    for fill in (baselines.mean_colour, lambda *given: baselines.blurred(*given, sigma=4.0)):
        np.testing.assert_allclose(fill(image, hidden), fill(other, hidden), atol=1e-6)
        assert 0 <= fill(image, hidden).min() <= fill(image, hidden).max() <= 1


ALL = np.ones((16, 16), dtype=np.bool_)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((16, 16, 3))


def test_psnr_is_measured_only_inside_the_mask() -> None:
    truth = picture()
    wrong = truth.copy()
    wrong[:8] += 0.1
    half = ALL.copy()
    half[8:] = False
    assert psnr(wrong, truth, half) == pytest.approx(20)
    assert psnr(wrong, truth, ALL) == pytest.approx(20 + 10 * np.log10(2))
    assert psnr(truth, truth, ALL) == pytest.approx(100)


def test_ssim_equals_that_of_scikit_image() -> None:
    """Values of `structural_similarity` in scikit-image 0.26.0, with the Gaussian window of Wang et al. (2004)."""
    x, noise = np.random.default_rng(0).random((2, 31, 31, 3))
    near = np.clip(x + 0.1 * (noise - 0.5), 0, 1)
    middle, whole = np.zeros((31, 31), dtype=np.bool_), np.ones((31, 31), dtype=np.bool_)
    middle[15, 15] = True
    assert ssim(x, noise, middle) == pytest.approx(0.05068290238275678)
    assert ssim(x, near, whole) == pytest.approx(0.9948490343155227)
    assert ssim(picture(), picture(), ALL) == pytest.approx(1)


def test_figure_and_ground() -> None:
    truth = np.zeros((4, 4), dtype=np.bool_)
    truth[:, :2] = True
    found = np.zeros_like(truth)
    found[:, :1] = True
    assert figure_ground(found, truth) == (0.5, pytest.approx((0.5 + 8 / 12) / 2))
    assert figure_ground(truth, truth) == (1, 1)
    nothing = np.zeros_like(truth)
    assert figure_ground(nothing, nothing) == (1, 1)
