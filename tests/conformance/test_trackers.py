"""The check for a fault finds it, and a correct tracker passes all checks."""

from __future__ import annotations

import re

import numpy as np
import pytest

import vgmae_bench as vb
from tests.conformance.faulty import FAULTS, FORWARD, Correct, Dice, Fault, HalfNaN, SeesOthers, Shifted, Smooths, Still
from vgmae_bench.conformance.textures import affine, clip, moved
from vgmae_bench.errors import UnknownNameError


def test_a_correct_tracker_passes_every_check() -> None:
    report = vb.check(Correct, declares=FORWARD, cost=False)
    assert report.passed, report
    assert report.kind == "tracker" and "no fault in 12 checks" in str(report)
    assert [finding.verdict for finding in report.findings] == ["pass"] * 10 + [
        "info",
        "pass",
    ]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.tracker.__name__}-{fault.check}")
def test_a_fault_is_found(fault: Fault) -> None:
    report = vb.check(fault.tracker, declares=fault.declares, only=[fault.check])
    assert len(report.faults) >= 1, report
    assert any(re.search(fault.word, str(found)) for found in report.faults), report
    assert all(found.why and found.mend for found in report.faults)


def test_a_tracker_without_a_usual_answer_is_asked_nothing_else() -> None:
    report = vb.check(HalfNaN)
    assert [finding.check for finding in report.findings] == ["shapes", "the rest"]


class Leaning(Shifted):
    """Follows a point that is shifted in y only. With `wild`, positions also scatter by about a pixel."""

    before = np.array([0.0, 0.45], dtype=np.float32)
    after = -before
    wild = 0.0

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        tracks = super().track(frames, queries)
        seed = int(frames.astype(np.int64).sum() % 2**32)
        noise = np.random.default_rng(seed).normal(0, 1, tracks.xy.shape).astype(np.float32)
        noise[np.arange(len(queries)), queries.frame] = 0
        return vb.Tracks(tracks.xy + self.wild * noise, tracks.visible)


@pytest.mark.parametrize(
    ("wild", "before", "verdict"), [(0.0, (0, 0.45), "fault"), (0.8, (0, 0.45), "info"), (0.8, (0.45, 0.45), "fault")]
)
def test_only_a_shift_of_x_and_y_alike_is_a_fault_of_an_inaccurate_tracker(
    wild: float, before: tuple[float, float], verdict: str
) -> None:
    class Mine(Leaning):
        pass

    Mine.wild, Mine.before = wild, np.array(before, dtype=np.float32)
    Mine.after = -Mine.before
    (found,) = vb.check(Mine, declares=FORWARD, only=["half-pixel"]).findings
    assert found.verdict == verdict, found
    assert "beside the query" in found.what


class Refined(Correct):
    """Corrects the position in the query frame, too, as untrained weights may. With `late`, only in later query frames."""

    note = "random weights"
    late = False

    def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
        tracks = super().track(frames, queries)
        off = np.random.default_rng(0).normal(0, 2, (len(queries), 1, 2)).astype(np.float32)
        return vb.Tracks(tracks.xy + off * (queries.frame[:, None, None] >= self.late), tracks.visible)


class RefinedLate(Refined):
    late = True


@pytest.mark.parametrize(("tracker", "verdict"), [(Refined, "info"), (RefinedLate, "fault")])
def test_random_weights_may_move_the_position_that_is_known(tracker: type[Refined], verdict: str) -> None:
    (found,) = vb.check(tracker, declares=FORWARD, only=["on-query"]).findings
    assert found.verdict == verdict and "no usual mistake explains it" in found.what
    assert ("its weights are random" in found.what) == (verdict == "info")


def test_random_weights_may_look_beside_the_query() -> None:
    class Mine(Leaning):
        note = "random weights"
        before = np.array([0.45, 0.45], dtype=np.float32)
        after = -before

    (found,) = vb.check(Mine, declares=FORWARD, only=["half-pixel"]).findings
    assert found.verdict == "info" and "beside the query" in found.what and "its weights are random" in found.what


def test_half_a_pixel_cannot_be_told_where_nothing_moves() -> None:
    (found,) = vb.check(Correct, declares=FORWARD, only=["half-pixel"], frames=4, width=32).findings
    assert found.verdict == "info" and "moves nothing by" in found.what and "--frames" in found.what


def test_declared_properties_are_no_faults() -> None:
    assert vb.check(Still, declares={"floor": True}, only=["translation", "backward"]).passed
    assert vb.check(Dice, declares={"random": True}, only=["repeatable", "independent", "looks-ahead"]).passed
    assert vb.check(Smooths, declares={"causal": True, "lookahead": 1}, only=["looks-ahead"]).passed


def test_joint_queries_and_all_frames_are_no_fault_where_they_are_declared() -> None:
    (found,) = vb.check(SeesOthers, declares={"queries": "joint"}, only=["independent"]).findings
    assert found.verdict == "info" and "asked one at a time" in found.what
    assert vb.check(Smooths, declares={"direction": "forward", "lookahead": "all"}, only=["looks-ahead"]).passed


def test_attributes_of_the_tracker_override_its_spec() -> None:
    class AsBuilt(Smooths):
        lookahead, queries = 1, "joint"

    findings = vb.check(AsBuilt, declares={"direction": "forward"}, only=["looks-ahead", "independent"]).findings
    assert "declares lookahead=1" in str(findings[0]) + str(findings[1])
    assert {finding.verdict for finding in findings} == {"pass", "info"}


def test_the_smallest_lookahead_is_reported() -> None:
    class Late(Correct):
        """Positions depend on three later frames."""

        def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
            tracks = super().track(frames, queries)
            later = np.pad(tracks.xy, ((0, 0), (0, 3), (0, 0)), mode="edge")[:, 3:]
            return vb.Tracks(0.5 * (tracks.xy + later), tracks.visible)

    (found,) = vb.check(Late, declares={"causal": True}, only=["looks-ahead"]).findings
    assert "depend on 3 later frames" in found.what and found.verdict == "info"


def test_for_random_weights_the_finding_says_that_dependence_is_understated() -> None:
    class Untrained(SeesOthers):
        note = "random weights"

    (found,) = vb.check(Untrained, only=["independent"]).faults
    assert "understated" in found.what


def test_noise_is_not_mistaken_for_a_convention_fault() -> None:
    class Trembles(Still):
        """Hardly follows anything, like a network that has learned nothing."""

        def track(self, frames: np.ndarray, queries: vb.Queries) -> vb.Tracks:
            tracks = super().track(frames, queries)
            steps = np.minimum(np.abs(np.arange(len(frames)) - queries.frame[:, None]), 1)[..., None]
            return vb.Tracks(tracks.xy + 0.4 * np.sin(7 * queries.xy)[:, None] * steps, tracks.visible)

    (found,) = vb.check(Trembles, only=["translation"]).findings
    assert found.verdict == "info" and "not accurate" in found.what


def test_a_shipped_method_is_checked_by_its_name() -> None:
    report = vb.check("zero-motion", only=["shapes", "translation", "backward"])
    assert report.passed, report
    with pytest.raises(UnknownNameError, match="no check"):
        vb.check("zero-motion", only=["shape"])
    with pytest.raises(UnknownNameError, match="Did you mean"):
        vb.check("zero-motoin")


def test_textures_move_as_they_should() -> None:
    """A texture that moves by whole pixels keeps its values. A rotation by 180 degrees turns the frame upside down."""
    size = (48, 64)
    first, second, turned = clip([affine(size), affine(size, move=(5, -3)), affine(size, angle=np.pi)], size, seed=4)
    assert np.array_equal(first[3:, :-5], second[:-3, 5:])
    assert np.abs(turned[::-1, ::-1].astype(int) - first).max() <= 1
    assert np.allclose(
        moved(np.array([[32.0, 24.0], [0.0, 0.0]]), [affine(size, angle=np.pi)])[:, 0], [[32, 24], [64, 48]]
    )
    assert first.std() > 20
