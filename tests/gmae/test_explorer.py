from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gmae.nets import TINY, weights_file
from tests.shared.configured import changed
from vgmae_bench.errors import UsageError
from vgmae_bench.gmae.explorer import ExplorerConfig, GMAEExplorer

SCATTERED = changed(TINY, gaussian_start="random")


@pytest.fixture
def explorer(tmp_path: Path) -> GMAEExplorer:
    weights = weights_file(tmp_path / "weights.safetensors", SCATTERED)
    return GMAEExplorer(ExplorerConfig(edge_layers=(6, 3), backend="torch"), weights, "cpu", seed=0)


def photograph(height: int = 24, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_everything_is_of_the_size_of_the_image(explorer: GMAEExplorer, tmp_path: Path) -> None:
    found = explorer.explore(photograph())
    shapes = {name: values.shape for name, values in found.arrays.items()}
    for name in ("alpha", "depth", "density", "unexplained", "figure"):
        assert shapes[name] == (24, 40), name
    assert shapes["cumulative_layers"] == (6, 24, 40, 3)
    assert shapes["single_layers"] == (6, 24, 40, 3)
    assert shapes["edges"] == shapes["layer_maps"] == (2, 24, 40)
    assert shapes["centres"] == (36, 2)
    np.testing.assert_allclose(found.arrays["cumulative_layers"][-1], found.arrays["reconstruction"], atol=1e-6)
    found.draw(tmp_path / "explore.png")
    with Image.open(tmp_path / "explore.png") as picture:
        assert picture.width > 1000


def test_measured_and_drawn_results_are_equal(explorer: GMAEExplorer) -> None:
    seen, shown = explorer.look(photograph()), explorer.explore(photograph()).arrays
    np.testing.assert_array_equal(seen.figure, shown["figure"])
    np.testing.assert_allclose(seen.outlines, shown["edges"].mean(axis=0))


def test_masked_patches_do_not_change_the_reconstruction(explorer: GMAEExplorer) -> None:
    image = photograph(32, 32)
    hidden = np.ones((4, 4), dtype=np.bool_)
    hidden[1, 2] = hidden[3, 0] = False
    first = explorer.rebuild(image, hidden)
    other = image.copy()
    other[hidden.repeat(8, axis=0).repeat(8, axis=1)] = 0
    np.testing.assert_array_equal(first, explorer.rebuild(other, hidden))
    other[8:16, 16:24] = 255 - other[8:16, 16:24]
    assert not np.allclose(first, explorer.rebuild(other, hidden), atol=1e-5)


def test_random_weights_give_another_model_of_the_same_shape(explorer: GMAEExplorer) -> None:
    other = explorer.untrained(1)
    assert (explorer.note, other.note) == ("", "random weights")
    assert (other.image_size, other.grid) == (explorer.image_size, explorer.grid) == (32, 4)
    image = photograph(32, 32)
    nothing = np.zeros((4, 4), dtype=np.bool_)
    assert not np.allclose(other.rebuild(image, nothing), explorer.rebuild(image, nothing))
    np.testing.assert_array_equal(other.rebuild(image, nothing), explorer.untrained(1).rebuild(image, nothing))


@pytest.mark.parametrize(
    "changes", [{"figure_share": 1.0}, {"edge_layers": (1,)}, {"edge_layers": ()}, {"edge_eps": -1.0}]
)
def test_impossible_settings(changes: dict) -> None:
    with pytest.raises(UsageError):
        ExplorerConfig(**changes)
