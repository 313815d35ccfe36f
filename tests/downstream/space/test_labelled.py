from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.downstream.space.layouts import SIZE, save, square, write_bsds, write_davis, write_pairs
from vgmae_bench.data.synth.scene import SynthConfig
from vgmae_bench.downstream.space.labelled import open_labelled, synth_image
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError


def test_pairs_are_matched_by_name(tmp_path: Path) -> None:
    found = open_labelled(str(write_pairs(tmp_path)))
    assert (found.kind, [item.name for item in found.images]) == ("pairs", ["a", "deep/b"])
    image, labels = found.images[0].read()
    assert image.shape == (*SIZE, 3)
    np.testing.assert_array_equal(labels[0] > 0, square()[1] > 0)
    assert found.images[0].has_figure


@pytest.mark.parametrize("resolution", ["480p", "."])
def test_davis_is_read_as_published_by_sequence(resolution: str, tmp_path: Path) -> None:
    found = open_labelled(str(write_davis(tmp_path, resolution)))
    assert (found.kind, [item.group for item in found.images]) == ("davis", ["bear"] * 3 + ["camel"] * 2)
    _, labels = found.images[-1].read()
    np.testing.assert_array_equal(labels[0], 2 * square()[1].astype(int))
    assert [item.name for item in found.first(2).images] == ["bear/00000", "camel/00001"]


def test_bsds_has_several_annotators_and_no_figure(tmp_path: Path) -> None:
    found = open_labelled(str(write_bsds(tmp_path)))
    (item,) = found.images
    assert (found.kind, item.name, item.has_figure) == ("bsds500", "100007", False)
    _, labels = item.read()
    np.testing.assert_array_equal(labels[0], square()[1].astype(int) + 1)
    assert (labels[1] == 1).all()


def test_synth_masks_are_where_the_boxes_are() -> None:
    """Label 0 is the room, labels 1 to 4 are boxes. A scene without boxes has only label 0."""
    config, empty = SynthConfig(frames=1, height=64, width=64), SynthConfig(frames=1, height=64, width=64, objects=0)
    image, labels = synth_image(config, 3)
    assert image.shape == (64, 64, 3)
    assert set(np.unique(labels)) <= set(range(5))
    assert 0.02 < (labels > 0).mean() < 0.9
    assert (synth_image(empty, 3)[1] == 0).all()


def test_synth_edges_are_at_image_changes() -> None:
    image, labels = synth_image(SynthConfig(frames=1), 0)
    step = np.abs(np.diff(image.astype(int), axis=1)).sum(axis=2)
    outline = labels[0][:, 1:] != labels[0][:, :-1]
    assert step[outline].mean() > 3 * step[~outline].mean()


def test_the_identity_contains_the_content_of_the_files(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    before = open_labelled(str(tmp_path)).identity
    save(tmp_path / "masks" / "a.png", np.zeros(SIZE, dtype=np.uint8))
    assert open_labelled(str(tmp_path)).identity != before


def test_broken_files_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    save(tmp_path / "masks" / "a.png", np.zeros((5, 5), dtype=np.uint8))
    (tmp_path / "masks" / "deep" / "b.png").write_bytes(b"no image")
    first, second = open_labelled(str(tmp_path)).images
    with pytest.raises(BadDataError, match=r"a\.png does not fit"):
        first.read()
    with pytest.raises(BadDataError, match=r"b\.png cannot be read"):
        second.read()
    write_bsds(tmp_path / "bsds")
    (tmp_path / "bsds" / "data" / "groundTruth" / "test" / "100007.mat").write_bytes(b"MATLAB 5.0" * 20)
    with pytest.raises(BadDataError, match="not a ground-truth file of BSDS500"):
        open_labelled(str(tmp_path / "bsds")).images[0].read()


def test_folders_with_another_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither synth nor a folder"):
        open_labelled("nowhere")
    with pytest.raises(MissingDataError, match="no known layout"):
        open_labelled(str(tmp_path))
    (tmp_path / "masks").mkdir()
    with pytest.raises(MissingDataError, match="no images"):
        open_labelled(str(tmp_path))


def test_colours_of_a_mask_are_numbers_of_their_own(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    mask = np.zeros((*SIZE, 3), dtype=np.uint8)
    mask[2:5, 2:5] = (1, 0, 0)
    mask[8:9, 8:9] = (0, 0, 1)
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    assert np.unique(open_labelled(str(tmp_path)).images[0].read()[1]).tolist() == [0, 1, 65536]
