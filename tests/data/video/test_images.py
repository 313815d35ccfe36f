from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vgmae_bench.data.video.images import ImageTree, random_crop, read_image
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.training.clips.sources import open_clips
from vgmae_bench.training.recipe import ClipShape


def save(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (40, 30), **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **more)


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    for split, colour in (("train", (200, 0, 0)), ("val", (0, 200, 0))):
        for label in ("n01440764", "n01443537"):
            save(tmp_path / "imagenet" / split / label / "1.png", colour)
    return tmp_path / "imagenet"


def test_training_uses_train_and_validation_uses_val(imagenet: Path) -> None:
    clips = open_clips([str(imagenet)], seed=0, workers=0, images=True)
    batch = clips.batch(range(3), ClipShape(1, 16), "cpu")
    assert batch.video.shape == (3, 1, 16, 16, 3)
    assert (batch.video[..., 0] == 200).all()
    assert (clips.examples(2, ClipShape(1, 16), "cpu").video[..., 1] == 200).all()
    assert clips.describe() == [{"share": 1.0, "clips": {"kind": "images", "name": "imagenet", "images": 2}}]


def test_an_index_gives_the_same_crop_in_any_batch(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    shape = ClipShape(1, 16)
    whole = open_clips([str(tmp_path)], seed=0, workers=0, images=True).batch(range(6), shape, "cpu").video
    part = open_clips([str(tmp_path)], seed=0, workers=2, images=True).batch(range(3, 6), shape, "cpu").video
    assert (whole[3:] == part).all()
    assert not (whole[0] == whole[1]).all()


def test_crops_are_random_within_the_image_and_half_of_them_mirrored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_crop((400, 300), rng) for _ in range(300)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 400).all()
    assert (boxes[:, 3] <= 300).all()
    share, aspect = width * height / 120_000, width / height
    assert 0.2 <= share.min() < 0.25
    assert 0.9 < share.max() <= 1.0
    assert 0.75 <= aspect.min() < aspect.max() <= 4 / 3 + 1e-9
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None] * 4, (60, 60, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")
    tree = ImageTree(tmp_path)
    mirrored = [bool(crop[0, 0, 0] > crop[0, -1, 0]) for crop in (tree.sample(rng, 16) for _ in range(60))]
    assert 15 < sum(mirrored) < 45


def test_a_strip_is_cropped_to_its_middle() -> None:
    assert random_crop((1000, 10), np.random.default_rng(0)) == (495, 0, 505, 10)


def test_images_are_upright_and_no_larger_than_asked(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    save(tmp_path / "turned.jpg", (9, 9, 9), size=(40, 20), exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (40, 20, 3)
    assert read_image(tmp_path / "turned.jpg", shorter_side=10).shape == (20, 10, 3)
    assert read_image(tmp_path / "turned.jpg", shorter_side=100).shape == (40, 20, 3)


def test_broken_images_are_skipped_and_named(tmp_path: Path) -> None:
    save(tmp_path / "good.png", (1, 2, 3))
    (tmp_path / "bad.png").write_bytes(b"no image")
    clips = open_clips([str(tmp_path)], seed=0, workers=0, images=True)
    assert (clips.batch(range(8), ClipShape(1, 8), "cpu").video[..., 2] == 3).all()
    assert [path.name for path in clips.skipped()] == ["bad.png"]
    (tmp_path / "good.png").unlink()
    with pytest.raises(BadDataError, match="could not be read"):
        open_clips([str(tmp_path)], seed=0, workers=0, images=True).batch(range(1), ClipShape(1, 8), "cpu")


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no images"):
        open_clips([str(tmp_path)], seed=0, workers=0, images=True)


def test_a_file_that_is_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="cannot be read"):
        read_image(tmp_path / "nothing.png")
