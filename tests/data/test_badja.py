"""BADJA in its published layout: only annotated frames are asked about and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.videos import greys
from vgmae_bench.data.badja import Badja, BadjaConfig, badja
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.errors import BadDataError, MissingDataError, UnknownNameError
from vgmae_bench.evaluation.protocols import PROTOCOLS, answers, questions
from vgmae_bench.evaluation.run import execute, plan
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
    visible[:, ANNOTATED] = VISIBLE[:2]  # the joint that is never seen is left out
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
def test_frames_that_nobody_annotated_neither_ask_nor_count(tmp_path: Path, mode: str) -> None:
    clip = opened(write_badja(tmp_path)).clip("bear")
    protocol = PROTOCOLS[f"tapvid-{mode}"]
    ((frames, question),) = questions(clip, protocol)
    assert len(frames) == FRAMES
    assert question.queries.frame.tolist() == [1, 1]
    rng = np.random.default_rng(0)
    tracks = Tracks(rng.random((2, FRAMES, 2)) * 256, rng.random((2, FRAMES)) < 0.5)
    given = answers(question, tracks, protocol)
    assert given.query_frame.tolist() == [0, 0]
    assert given.target_xy.shape == (2, 3, 2)
    np.testing.assert_array_equal(given.xy, tracks.xy[:, list(ANNOTATED)])
    np.testing.assert_array_equal(given.occluded, ~tracks.visible[:, list(ANNOTATED)])


def test_a_run_scores_annotated_frames_and_pck(tmp_path: Path) -> None:
    """A point that stays: joint 0 is off by √8, then by √(20² + 30²) source pixels; the radius is √24."""
    write_badja(tmp_path)
    found = []
    for _ in range(2):
        planned = plan("zero-motion", "badja", data_root=tmp_path, out=tmp_path / "out", device="cpu")
        found.append(execute(planned, figures=1)["metrics"])
        prepare("badja", tmp_path)
    assert found[0]["pck"]["mean"] == pytest.approx(1 / 3)
    # zero-motion calls everything visible: one joint is hidden in one of four answers
    assert found[0]["occlusion_accuracy"]["mean"] == pytest.approx(3 / 4)
    assert found[0] == found[1]


def test_the_prepared_form_stands_alone(tmp_path: Path) -> None:
    root = tmp_path / "data"
    prepare("badja", root, write_badja(tmp_path) / "badja")
    dataset, _ = open_dataset("badja", root=root)
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
    dataset = opened(write_badja(tmp_path))
    with pytest.raises(UnknownNameError, match="did you mean bear"):
        dataset.clip("bare")
    file = tmp_path / "badja" / "joint_annotations" / "bear.json"
    original = file.read_text()
    for text, message in (
        ("[", "cannot be used"),
        ("[]", "it lists no frames"),
        (original.replace("DAVIS/JPEG", "../JPEG", 1), "leads out of the folder"),
        (original.replace("[10, 20], ", "", 1), "not a row and a column for each visibility"),
        (original.replace("[[10, 20]", "[[10, 20, 30]", 1), "cannot be used"),
        (original.replace("00006.jpg", "00066.jpg"), "there is no DAVIS"),
    ):
        file.write_text(text)
        with pytest.raises(BadDataError, match=message):
            opened(tmp_path).clip("bear")
