"""Datasets of plugins: required and optional attributes, and error messages."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import clip as made
from tests.clips import write_davis
from tests.shared.plans import plan
from vgmae_bench.data.dataset import Coverage, OpenedDataset
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.prepare import prepare
from vgmae_bench.data.verify import verify
from vgmae_bench.errors import BadDataError, PluginError, UnknownNameError
from vgmae_bench.evaluation.run import execute
from vgmae_bench.types import Clip

SOURCE = """
from tests.data.test_dataset import Minimal

class Broken(Minimal):
    ids = ["good", "raises", "lost", "short"]
    def clip(self, clip_id):
        if clip_id == "raises":
            raise KeyError("nose")
        clip = super().clip(clip_id)
        if clip_id == "lost":
            object.__setattr__(clip, "read", lambda: 1 / 0)
        if clip_id == "short":
            frames = clip.read()[:-1]
            object.__setattr__(clip, "read", lambda: frames)
        return clip
"""


class Minimal:
    """The smallest valid dataset."""

    ids: Any = ("a", "b")
    digest: Any = "d"

    def clip(self, clip_id: str) -> Clip:
        return replace(made(), id=clip_id)


class Rich(Minimal):
    options = {"size": (1, 2)}  # noqa: RUF012
    files = ("x.bin",)
    coverage = {"published": 3, "here": 2, "missing": ["c"]}  # noqa: RUF012
    notes = ("c is not here",)
    own_queries = True


def with_(**values: Any) -> Minimal:
    dataset = Minimal()
    vars(dataset).update(values)
    return dataset


def test_missing_optional_attributes_of_a_dataset_have_defaults() -> None:
    dataset = OpenedDataset(Minimal(), "mine")
    assert (dataset.options, dataset.files, dataset.coverage, dataset.notes) == ({}, (), None, ())
    assert not dataset.own_queries
    rich = OpenedDataset(Rich(), "mine")
    assert (rich.options, rich.files) == ({"size": [1, 2]}, (Path("x.bin"),))
    assert (rich.coverage, rich.notes, rich.own_queries) == (Coverage(3, 2, ["c"]), ("c is not here",), True)


def test_ids_may_be_a_generator() -> None:
    dataset = OpenedDataset(with_(ids=(name for name in "ab")), "mine")
    assert dataset.ids == dataset.ids == ("a", "b")
    assert dataset.clip("b").id == "b"


def test_an_unknown_clip_is_answered_with_the_nearest_name() -> None:
    dataset = OpenedDataset(with_(ids=["bear", "camel"]), "mine")
    with pytest.raises(UnknownNameError, match=r'mine has no clip "baer"\. Did you mean bear'):
        dataset.clip("baer")


class NoDigest:
    ids = ("a",)

    def clip(self, clip_id: str) -> Clip:
        return made()


class Fails(Minimal):
    @property
    def digest(self) -> str:  # type: ignore[override]
        raise OSError("no disk")


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (NoDigest(), PluginError, "The dataset mine has no digest"),
        (object(), PluginError, "has no ids and no digest and no clip"),
        (with_(digest=None), PluginError, "has no digest: it is None"),
        (Fails(), PluginError, "OSError: no disk"),
        (with_(ids=5), PluginError, "'int' object is not iterable"),
        (with_(ids=[]), BadDataError, "The dataset mine has no clips"),
        (with_(ids=["a", "b", "a"]), BadDataError, 'mine has two clips "a"'),
        (with_(ids=[0, 1]), BadDataError, "each id must be a text, not 0"),
        (with_(ids=["../a"]), BadDataError, "cannot name files: '../a'"),
        (with_(ids=[""]), BadDataError, "cannot name files"),
        (with_(ids=["x" * 300]), BadDataError, "cannot name files"),
    ],
)
def test_an_invalid_dataset_is_an_error_of_one_line(dataset: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        OpenedDataset(dataset, "mine")


def changed(**values: Any) -> Any:
    """A dataset whose clip gets other values after the checks of `Clip`."""
    clip = made()
    for name, value in values.items():
        object.__setattr__(clip, name, value)
    return with_(clip=lambda clip_id: clip)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (with_(clip=lambda clip_id: None), "it is a NoneType, not a vgmae_bench.Clip"),
        (with_(clip=lambda clip_id: {}[clip_id]), "KeyError: 'a'"),
        (with_(clip=lambda clip_id: made()), 'its id is "clip"'),
        (changed(id="a", points=made().points * 64), "they look like pixels"),
        (changed(id="a", size=(64, 64, 3)), r"size must be \(height, width\)"),
        (changed(id="a", fps=float("nan")), "fps is nan"),
        (changed(id="a", radius=np.full(12, -1.0)), "radius holds a negative"),
        (changed(id="a", asked=np.full(6, 99)), "asked must hold a frame number from 0 to 11"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named(dataset: Any, message: str) -> None:
    with pytest.raises(BadDataError, match=message) as caught:
        OpenedDataset(dataset, "mine").clip("a")
    assert caught.value.what == 'Clip "a" of mine cannot be used'


def test_integer_occlusion_never_reaches_a_metric() -> None:
    """NumPy's ~ of the integer 1 is -2, which is true: every hidden point would have counted as visible."""
    clip = made()
    given = Clip("a", clip.size, clip.points, clip.occluded.astype(np.int64), clip.read)  # type: ignore[arg-type]
    np.testing.assert_array_equal(given.occluded, clip.occluded, strict=True)


def test_pieces_have_the_frames_and_tracks_of_the_whole() -> None:
    whole = replace(made(), annotated=np.arange(12) % 2 == 0, asked=np.zeros(6, np.int64))
    piece = whole.cut(3, 9, "piece").cut(1, 3, "smaller")
    np.testing.assert_array_equal(piece.read(), whole.read()[4:6])
    np.testing.assert_array_equal(piece.points, whole.points[:, 4:6])
    assert (piece.id, piece.asked) == ("smaller", None)
    assert piece.annotated is not None and piece.annotated.tolist() == [True, False]


def test_a_run_goes_on_past_clips_that_fail_and_verify_names_them(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(SOURCE)
    planned = plan("zero-motion", f"{source}:Broken", out=tmp_path / "out")
    summary = execute(planned, figures=0)
    mean = summary.metrics["average_jaccard"].mean
    assert summary.clips.failed == 3 and mean is not None and mean > 0
    assert "the video has 11 frames, but points has 12" in summary.failures["short"]
    found = {finding.where: finding.fault for finding in verify(f"{source}:Broken") if finding.severity == "error"}
    assert found.keys() == {"raises", "lost", "short"}
    assert "division by zero" in found["lost"]


def test_opening_an_outdated_prepared_file_prints_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_davis(tmp_path / "data", clips=1)
    pickle = root / "tapvid_davis" / "tapvid_davis.pkl"
    path = prepare("davis", root)
    caplog.set_level(logging.WARNING)
    made_at = path.stat().st_mtime_ns
    os.utime(pickle, ns=(made_at + 10**9, made_at + 10**9))  # a new time stamp, but equal content
    assert open_dataset("davis", root=root).notes == () and not caplog.messages
    write_davis(root, clips=2)
    (pickle.parent / "SHA256SUMS").unlink()
    os.utime(pickle, ns=(made_at + 2 * 10**9, made_at + 2 * 10**9))
    for _ in range(2):
        caplog.clear()
        assert open_dataset("davis", root=root).ids == ("clip-0",)
        assert caplog.messages == [
            f"davis: the prepared copy {path} was made from another version of {pickle}; clips are read from the copy. "
            "To make it again: vgmae-bench data prepare davis"
        ]
    prepare("davis", root)
    caplog.clear()
    assert open_dataset("davis", root=root).ids == ("clip-0", "clip-1") and not caplog.messages
