"""`import vgmae_bench as vb` as people use it in notebooks and scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import vgmae_bench as vb
from tests.clips import clip, write_davis
from tests.shared.logs import logged
from vgmae_bench.errors import MissingDataError, PluginError, UnknownNameError, UsageError
from vgmae_bench.evaluation.records.results import SESSION_SOURCE
from vgmae_bench.evaluation.reproduce import plan_again
from vgmae_bench.evaluation.store import RunFolder


class Stay:
    """Every point stays at its query position."""

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return vb.Tracks(xy, np.ones(xy.shape[:2], dtype=bool))


@dataclass(frozen=True)
class DriftConfig:
    speed: float = 4.0


class Drift(Stay):
    """Every point moves to the right, as in `moving_square`."""

    def __init__(self, config: DriftConfig) -> None:
        self.speed = config.speed

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        tracks = super().track(frames, queries)
        steps = self.speed * (np.arange(len(frames)) - queries.frame[:, None])
        return vb.Tracks(tracks.xy + np.stack([steps, np.zeros_like(steps)], axis=-1), tracks.visible)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "data")


def test_importing_loads_no_heavy_modules_and_dir_lists_all_names() -> None:
    program = (
        "import sys, vgmae_bench as vb\n"
        "assert dir(vb) == vb.__all__\n"
        "heavy = {'torch', 'numpy', 'pandas', 'h5py', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert all(getattr(vb, name).__doc__ for name in vb.__all__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_evaluating_a_name_returns_scores_predictions_clips_and_figures(root: Path) -> None:
    run = vb.evaluate("zero-motion", "davis", data_root=root)
    assert run.summary.clips.scored == 3
    assert len(run.metrics) == 3
    assert len(run.tracks) == run.metrics["queries"].sum()
    assert set(run.predictions) == {"clip-0", "clip-1", "clip-2"}
    opened = vb.open_dataset("davis", data_root=root)
    assert opened[1].id == opened[np.int64(1)].id == opened["clip-1"].id == "clip-1"  # type: ignore[index]
    frames, queries = vb.ask(run.clip("clip-1"))
    tracks = run.predictions["clip-1"]
    assert np.array_equal(tracks.xy, np.repeat(queries.xy[:, None], len(frames), 1))
    own = run.metrics.set_index("clip").loc["clip-1", "average_jaccard"]
    assert vb.score(tracks, run.clip("clip-1"))["average_jaccard"] == own
    assert run.figure("clip-1").size == (4 * 256, 2 * 256)
    assert "zero-motion" in repr(run) and "<table>" in run._repr_html_()
    with pytest.raises(MissingDataError, match="no prediction"):
        vb.evaluate("lucas-kanade", "davis", data_root=root, limit=1).figure("clip-2")


def test_a_class_and_an_object_of_the_session_never_share_a_run(root: Path) -> None:
    runs = [vb.evaluate(Drift, "davis", data_root=root, settings={"speed": speed}) for speed in (4.0, 4.0, 2.0)]
    runs.append(vb.evaluate(Drift(DriftConfig()), "davis", data_root=root))
    assert len({run.path for run in runs}) == 4
    best = [run.summary.metrics["average_pts_within_thresh"].mean or 0 for run in runs]
    assert best[0] == best[1] == best[3] > 0.99 > best[2]
    record = runs[0].record
    assert record.method.settings == {"speed": 4.0}
    assert (record.method.source or "").startswith(SESSION_SOURCE)
    assert "from a Python session" in record.method.label
    with pytest.raises(UsageError, match="defined in a Python session"):
        plan_again(RunFolder(runs[0].path), Path("again"))


def test_unusable_arguments_are_refused() -> None:
    clips = [clip()]
    with pytest.raises(PluginError, match="is no tracker"):
        vb.evaluate(DriftConfig, clips)
    with pytest.raises(PluginError, match="is no tracker"):
        vb.evaluate(SimpleNamespace(track=3), clips)
    with pytest.raises(UsageError, match="settings and weights are for names and classes"):
        vb.evaluate(Stay(), clips, settings={"speed": 1})
    with pytest.raises(UsageError, match=r"Did you mean speed\?"):
        vb.evaluate(Drift, clips, settings={"sped": 1})
    with pytest.raises(PluginError, match="has no ids"):
        vb.evaluate(Stay, 5)  # type: ignore[arg-type]
    frames, queries = vb.ask(clips[0])
    with pytest.raises(UsageError, match=r"uint8 \[T, H, W, 3\]"):
        vb.track(frames / 255, queries, method=Stay)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="which column is the frame"):
        vb.track(frames, np.zeros((1, 3)), method=Stay)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has a frame outside the clip"):
        vb.track(frames, vb.Queries([len(frames)], [[1.0, 1.0]]), method=Stay)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has 6 queries"):
        vb.score(vb.track(frames, queries[:2], method=Stay), clips[0])
    with pytest.raises(UsageError, match="takes tracks and a clip: not Clip"):
        vb.score(clips[0], vb.track(frames, queries, method=Stay))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="limit=0 leaves no clips"):
        vb.evaluate(Stay, clips, limit=0)
    with pytest.raises(UsageError, match=r"shard=\(0, 0\) is no shard"):
        vb.evaluate(Stay, clips, shard=(0, 0))


class Exchanged(Stay):
    """A typical mistake: (y, x) for (x, y)."""

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        tracks = super().track(frames, queries)
        return replace(tracks, xy=tracks.xy[..., ::-1])


class Fails(Stay):
    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        raise RuntimeError("CUDA out of memory")


@pytest.mark.parametrize(
    ("method", "message"),
    [(Exchanged, "(y, x) in place of (x, y)"), (Fails, "clip failed: RuntimeError('CUDA out of memory')")],
)
def test_without_any_logging_configuration_python_shows_warnings(
    method: type, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    vb.evaluate(method, [clip()])
    assert message in caplog.text
    assert all(record.levelname == "WARNING" for record in caplog.records)


def test_scoring_one_clip_warns_of_mistakes_in_the_tracks() -> None:
    square = clip()
    frames, queries = vb.ask(square)
    tracks = vb.track(frames, queries, method="lucas-kanade")
    with logged() as told:
        vb.score(tracks, square)
        assert not told
        vb.score(replace(tracks, xy=tracks.xy[..., ::-1]), square)
    assert "(y, x) in place of (x, y)" in told[0]


def test_a_list_of_clips_is_a_dataset_with_a_content_digest() -> None:
    clips = [replace(clip(seed=seed), id=f"clip-{seed}") for seed in range(2)]
    run = vb.evaluate("zero-motion", clips)
    assert list(run.predictions) == ["clip-0", "clip-1"]
    again = vb.evaluate("zero-motion", clips)
    assert again.path == run.path
    other = [clips[0], replace(clips[1], read=lambda: np.zeros((12, 64, 64, 3), np.uint8))]
    assert vb.evaluate("zero-motion", other).path != run.path
    moved = [clips[0], replace(clips[1], points=clips[1].points + np.float32(0.01))]
    assert vb.evaluate("zero-motion", moved).record.dataset.digest != run.record.dataset.digest


def test_a_causal_tracker_is_run_on_the_reversed_clip_as_well(root: Path) -> None:
    class Forward(Drift):
        def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
            tracks = super().track(frames, queries)
            before = np.arange(len(frames)) < queries.frame[:, None]
            return vb.Tracks(np.where(before[..., None], queries.xy[:, None], tracks.xy), tracks.visible)

    frames, queries = vb.ask(clip(), protocol="tapvid-strided")
    late = queries[queries.frame > 0]
    told = vb.track(frames, late, method=Forward(DriftConfig()), causal=True)
    assert not np.array_equal(told.xy[:, 0], late.xy)
    assert np.array_equal(vb.track(frames, late, method=Forward(DriftConfig())).xy[:, 0], late.xy)


def test_drawing_does_not_change_the_input_frames() -> None:
    frames, queries = vb.ask(clip())
    before = frames.copy()
    drawn = vb.draw(frames, vb.track(frames, queries, method="zero-motion"))
    assert drawn.shape == frames.shape and drawn.dtype == np.uint8
    assert (drawn != frames).any() and np.array_equal(frames, before)
    tracks = vb.track(frames, queries, method="zero-motion")
    for wrong, message in ((frames[:3], "3 frames needs vgmae_bench.Tracks of as many"), (frames / 255, "uint8")):
        with pytest.raises(UsageError, match=message):
            vb.draw(wrong, tracks)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="these are ndarray"):
        vb.draw(frames, tracks.xy)  # type: ignore[arg-type]


def test_runs_can_be_joined_tabulated_compared_and_plotted(root: Path) -> None:
    for method in ("zero-motion", "lucas-kanade"):
        vb.evaluate(method, "davis", data_root=root, out="one")
    own = vb.evaluate(Drift, "davis", data_root=root, out="two", name="mine")
    runs = vb.load_runs("one") + vb.Runs([own, own])
    assert len(runs) == 3
    table = runs.to_pandas().set_index("method")
    assert table.loc["lucas-kanade", "settings.window"] == 21
    assert table.loc["Drift", "settings.speed"] == 4.0
    assert table.loc["Drift", "average_jaccard"] == own.summary.metrics["average_jaccard"].mean
    assert [line for line in runs.table("md").splitlines() if "| mine |" in line]
    assert "mine" in runs.table() and r"\toprule" in runs.table("latex")
    comparison = runs.compare("mine", "zero-motion")
    assert "δ_avg: mine is better than zero-motion" in str(comparison) or "not distinguishable" in str(comparison)
    assert list(comparison.to_pandas()["wins"]) == [3, 3, 0] or comparison.to_pandas()["wins"].sum() >= 3
    plot = runs.plot("thresholds")
    assert len(plot.table) and plot.figure.axes
    with pytest.raises(UnknownNameError, match="fits 0 of these runs"):
        runs.compare("mine", "nobody")
    assert "survival" in runs.table(metrics="survival") and "AJ" not in runs.table(metrics="survival")
    assert str(runs.compare("mine", "zero-motion", "aj")).count("\n") == 1  # the title, and one metric
    for wrong, message in (
        (lambda: runs.table("html"), 'There is no format "html"'),  # type: ignore[arg-type]
        (lambda: runs.table(metrics=["AJ", "survivl"]), "Did you mean survival?"),
        (lambda: runs.compare("mine", "zero-motion", "jaccard"), 'No run has a metric "jaccard"'),
        (lambda: runs.plot("bar"), 'There is no figure "bar". Did you mean bars?'),
        (lambda: runs.plot("curves"), "trainings"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            wrong()
    with pytest.raises(UnknownNameError, match="No run fits"):
        vb.load_runs("one", method="Drift")


def test_published_numbers_are_a_table() -> None:
    table = vb.published()
    assert table["AJ"].max() < 100
    assert {"method", "dataset", "source", "evidence", "differs"} <= set(table)
