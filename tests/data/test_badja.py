"""BADJA in its published layout: only annotated frames have queries and scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.shared.plans import plan
from tests.videos import greys
from vgmae_bench.data.badja import Badja, BadjaConfig, badja
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.errors import BadDataError, MissingDataError
from vgmae_bench.evaluation.protocols import PROTOCOLS, query_sets, scored_tracks
from vgmae_bench.evaluation.run import execute
from vgmae_bench.types import Tracks

FRAMES, ANNOTATED = 11, (1, 6, 10)
SIZE = (40, 60)
JOINTS = np.array([[[10, 20], [12, 22], [30, 50]], [[5, 5], [0, 0], [9, 9]], [[0, 0], [0, 0], [0, 0]]])  # (row, column)
VISIBLE = np.array([[True, True, True], [True, False, True], [False, False, False]])


def write_badja(root: Path, resolution: str = "Full-Resolution", masks: bool = True) -> Path:
    folder = root / "badja"
    davis = folder / "DAVIS"
    images = davis / "JPEGImages" / resolution / "bear"
    images.mkdir(parents=True)
    for number, frame in enumerate(greys(FRAMES, SIZE)):
        Image.fromarray(frame).save(images / f"{number:05}.jpg")
    mask = np.zeros(SIZE, np.uint8)
    mask[:20, :30] = 2
    entries = []
    for column, number in enumerate(ANNOTATED):
        entries.append(
            {
                "image_path": f"DAVIS/JPEGImages/Full-Resolution/bear/{number:05}.jpg",
                "segmentation_path": f"DAVIS/Annotations/Full-Resolution/bear/{number:05}.png",
                "joints": JOINTS[:, column].tolist(),
                "visibility": VISIBLE[:, column].tolist(),
            }
        )
        if masks:
            path = davis / "Annotations" / resolution / "bear" / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    (folder / "joint_annotations").mkdir()
    (folder / "joint_annotations" / "bear.json").write_text(json.dumps(entries))
    return root


def opened(root: Path) -> Badja:
    dataset = badja(root, BadjaConfig())
    assert isinstance(dataset, Badja)
    return dataset


def test_joints_lie_at_the_centres_of_their_pixels(tmp_path: Path) -> None:
    clip = opened(write_badja(tmp_path)).clip("bear")
    assert (clip.id, clip.size, clip.num_frames) == ("bear", SIZE, FRAMES)
    assert clip.annotated is not None and tuple(np.flatnonzero(clip.annotated)) == ANNOTATED
    np.testing.assert_allclose(clip.tracks()[0, list(ANNOTATED)], JOINTS[0, :, ::-1] + 0.5, atol=1e-4)
    visible = np.zeros((2, FRAMES), dtype=bool)
    visible[:, ANNOTATED] = VISIBLE[:2]  # the joint that is never visible is omitted
    np.testing.assert_array_equal(~clip.occluded, visible)
    assert clip.radius is not None
    np.testing.assert_allclose(clip.radius[list(ANNOTATED)], 0.2 * np.sqrt(20 * 30))
    assert np.isnan(clip.radius[0])
    assert clip.part is not None
    np.testing.assert_array_equal(clip.part(3, 5), clip.read()[3:5])


def test_small_frames_are_read_where_there_are_no_others(tmp_path: Path) -> None:
    clip = badja(write_badja(tmp_path, "480p"), BadjaConfig(annotation_height=400, annotation_width=600)).clip("bear")
    np.testing.assert_allclose(clip.tracks()[0, 6], (JOINTS[0, 1, ::-1] + 0.5) / 10, atol=1e-5)
    assert clip.radius is not None and clip.radius[6] == pytest.approx(0.2 * np.sqrt(20 * 30))


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_frames_without_annotation_have_no_queries_and_no_score(tmp_path: Path, mode: str) -> None:
    clip = opened(write_badja(tmp_path)).clip("bear")
    protocol = PROTOCOLS[f"tapvid-{mode}"]
    ((frames, query_set),) = query_sets(clip, protocol)
    assert len(frames) == FRAMES
    assert query_set.queries.frame.tolist() == [1, 1]
    rng = np.random.default_rng(0)
    tracks = Tracks(rng.random((2, FRAMES, 2)) * 256, rng.random((2, FRAMES)) < 0.5)
    given = scored_tracks(query_set, tracks, protocol)
    assert given.query_frame.tolist() == [0, 0]
    assert given.target_xy.shape == (2, 3, 2)
    np.testing.assert_array_equal(given.xy, tracks.xy[:, list(ANNOTATED)])
    np.testing.assert_array_equal(given.occluded, ~tracks.visible[:, list(ANNOTATED)])


def test_a_run_scores_annotated_frames_and_pck(tmp_path: Path) -> None:
    """A point that stays: joint 0 is off by √8, then by √(20² + 30²) source pixels; the radius is √24."""
    write_badja(tmp_path)
    found = []
    for _ in range(2):
        planned = plan("zero-motion", "badja", data_root=tmp_path, out=tmp_path / "out")
        found.append(execute(planned, figures=1).metrics)
        prepare("badja", tmp_path)
    assert found[0]["pck"].mean == pytest.approx(1 / 3)
    # zero-motion predicts everything visible: one joint is hidden in one of four frames
    assert found[0]["occlusion_accuracy"].mean == pytest.approx(3 / 4)
    assert found[0] == found[1]


def test_the_prepared_file_needs_no_other_files(tmp_path: Path) -> None:
    root = tmp_path / "data"
    prepare("badja", root, write_badja(tmp_path) / "badja")
    dataset = open_dataset("badja", root=root)
    clip, original = dataset.clip("bear"), opened(tmp_path).clip("bear")
    for name in ("points", "occluded", "annotated", "radius"):
        np.testing.assert_array_equal(getattr(clip, name), getattr(original, name), strict=True)
    np.testing.assert_array_equal(clip.read(), original.read())


def test_without_masks_there_is_no_radius(tmp_path: Path) -> None:
    clip = opened(write_badja(tmp_path, masks=False)).clip("bear")
    assert clip.radius is not None and np.isnan(clip.radius).all()


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="benjiebob/BADJA") as caught:
        badja(tmp_path, BadjaConfig())
    assert "data prepare badja --from" in caught.value.try_
    write_badja(tmp_path)
    file = tmp_path / "badja" / "joint_annotations" / "bear.json"
    original = file.read_text()
    for text, message in (
        ("[", "cannot be used"),
        ("[]", "it lists no frames"),
        (original.replace("DAVIS/JPEG", "../JPEG", 1), "points outside the folder"),
        (original.replace("[10, 20], ", "", 1), "not a row and a column for each visibility"),
        (original.replace("[[10, 20]", "[[10, 20, 30]", 1), "cannot be used"),
        (original.replace("00006.jpg", "00066.jpg"), "there is no DAVIS"),
    ):
        file.write_text(text)
        with pytest.raises(BadDataError, match=message):
            opened(tmp_path).clip("bear")


def annotations(root: Path) -> Path:
    return root / "badja" / "joint_annotations" / "bear.json"


def change(root: Path, **values: object) -> None:
    """Set values of every entry of the annotations."""
    entries = json.loads(annotations(root).read_text())
    annotations(root).write_text(json.dumps([{**entry, **values} for entry in entries]))


def images(root: Path, kind: str = "JPEGImages") -> Path:
    return root / "badja" / "DAVIS" / kind / "Full-Resolution" / "bear"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_black_is_background(tmp_path: Path, mode: str) -> None:
    write_badja(tmp_path)
    for mask in images(tmp_path, "Annotations").iterdir():
        Image.open(mask).convert(mode).save(mask)
    radius = opened(tmp_path).clip("bear").radius
    assert radius is not None
    np.testing.assert_allclose(radius[list(ANNOTATED)], 0.2 * np.sqrt(20 * 30))


@pytest.mark.parametrize("values", [("True", "False"), ("1", "0"), (1, 0), (1.0, 0.0), (True, False)])
def test_visibility_in_every_spelling(tmp_path: Path, values: tuple[object, object]) -> None:
    write_badja(tmp_path)
    change(tmp_path, joints=[[1, 2], [3, 4]], visibility=list(values))
    clip = opened(tmp_path).clip("bear")
    assert len(clip.points) == 1 and (~clip.occluded[0, list(ANNOTATED)]).all()
    change(tmp_path, visibility=["True", "perhaps"])
    with pytest.raises(BadDataError, match="'perhaps', which is neither true nor false"):
        opened(tmp_path)


def test_a_hidden_joint_needs_no_position(tmp_path: Path) -> None:
    write_badja(tmp_path)
    change(tmp_path, joints=[[1, 2], [None, None]], visibility=[True, False])
    np.testing.assert_allclose(opened(tmp_path).clip("bear").tracks()[0, 1], [2.5, 1.5], atol=1e-5)
    change(tmp_path, visibility=[True, True])
    with pytest.raises(BadDataError, match="not a row and a column for each visibility"):
        opened(tmp_path)


def test_image_copies_in_another_format_are_refused(tmp_path: Path) -> None:
    """A regression test: every image counted as two frames."""
    write_badja(tmp_path)
    for image in list(images(tmp_path).iterdir()):
        Image.open(image).save(image.with_suffix(".png"))
    with pytest.raises(BadDataError, match=r"00000\.jpg and 00000\.png have one name"):
        opened(tmp_path)


def test_paths_of_windows(tmp_path: Path) -> None:
    write_badja(tmp_path)
    annotations(tmp_path).write_text(annotations(tmp_path).read_text().replace("/", "\\\\"))
    assert opened(tmp_path).clip("bear").num_frames == FRAMES


def test_missing_frames_of_a_copy_are_named(tmp_path: Path) -> None:
    write_badja(tmp_path)
    (images(tmp_path, "Annotations") / "00006.png").unlink()
    assert opened(tmp_path).notes == ["bear lacks 1 of 3 masks: PCK leaves those frames out"]
    (images(tmp_path) / "00003.jpg").unlink()
    with pytest.raises(BadDataError, match="frame 00003 is missing"):
        opened(tmp_path)
    shutil.rmtree(images(tmp_path))
    with pytest.raises(MissingDataError, match="The frames of bear are missing: they belong in"):
        opened(tmp_path)


def test_impossible_annotations_are_named(tmp_path: Path) -> None:
    write_badja(tmp_path)
    change(tmp_path, joints=[[10, 20], [20, 500]], visibility=[True, True])
    with pytest.raises(
        BadDataError, match=r"far outside the frame, .* track 1 in frame 1, at \(500.5, 20.5\) in 60 × 40"
    ):
        opened(tmp_path).clip("bear")
    entries = json.loads(annotations(tmp_path).read_text())
    annotations(tmp_path).write_text(json.dumps([*entries, entries[0]]))
    with pytest.raises(BadDataError, match=r"00001\.jpg twice"):
        opened(tmp_path).clip("bear")
