"""Every golden case of the official TAP-Vid metric function, to the last bit; likewise AJ_RD."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.golden import goldens
from tests.golden.other_evaluators import tapvid_metrics
from vgmae_bench.metrics.redetection import MINIMAL_GAPS, event_jaccards, events_of, redetection
from vgmae_bench.metrics.thresholds import THRESHOLDS

CASES = {case["id"]: case for case in json.loads((goldens.FOLDER / "golden_tapvid_metrics.json").read_text())["cases"]}
REDETECTION_CASES = [
    case["id"] for case in json.loads((goldens.FOLDER / "golden_tapvid_readers.json").read_text())["aj_rd"]
]
# How other implementations deviate from the reference, as switches of ours.
PEERS: dict[str, dict[str, Any]] = {
    "cotracker": {"oa_denominator": "batch"},
    "gmrw_data_tapvid": {"oa_denominator": "batch"},
    "gmrw_utils_metrics": {"oa_denominator": "batch", "first_mask": "legacy_gmrw"},
}


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    return goldens.arrays("golden_tapvid_metrics.npz")


def computed(stored: dict[str, np.ndarray], case: str, **switches: Any) -> dict[str, np.ndarray]:
    given = {key: stored[f"{case}/in/{key}"] for key in ("gt_occluded", "gt_tracks", "pred_occluded", "pred_tracks")}
    return tapvid_metrics(
        stored[f"{case}/in/query_points"][..., 0],
        *given.values(),
        str(stored[f"{case}/in/query_mode"]),  # type: ignore[arg-type]  # "first" or "strided"
        bad_query_frame="wrap",
        **switches,
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pooled", ["out", "trackwise"])
def test_equals_the_reference_exactly(stored: dict[str, np.ndarray], case: str, pooled: str) -> None:
    expected = {key.rsplit("/", 1)[1]: value for key, value in stored.items() if key.startswith(f"{case}/{pooled}/")}
    got = computed(stored, case, trackwise=pooled == "trackwise")
    assert set(got) == set(expected)
    for metric, value in expected.items():
        np.testing.assert_array_equal(got[metric], value, err_msg=metric, strict=True)


@pytest.mark.parametrize("peer", PEERS)
def test_parity_switches_reproduce_other_implementations(stored: dict[str, np.ndarray], peer: str) -> None:
    compared = 0
    for case, described in CASES.items():
        verdict = described["peer_differences"].get(peer)
        if f"{case}/{peer}/average_jaccard" not in stored or verdict is None:
            continue
        switches = dict(PEERS[peer])
        if str(stored[f"{case}/in/query_mode"]) == "strided":
            switches.pop("first_mask", None)
        got = computed(stored, case, **switches)
        for metric in ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy"):
            np.testing.assert_array_equal(got[metric], stored[f"{case}/{peer}/{metric}"], err_msg=f"{case} {metric}")
        compared += 1
    assert compared > len(CASES) // 2


@pytest.mark.parametrize("case", REDETECTION_CASES)
def test_redetection_equals_the_reference(case: str) -> None:
    stored = goldens.arrays("golden_aj_rd.npz")
    given = {key: stored[f"{case}/in/{key}"] for key in ("gt_visible", "gt_tracks", "pred_visible", "pred_tracks")}
    # The reference takes [B, T, N, …] and pools the batch; tracks of all videos are one list to us.
    rows = {key: np.moveaxis(value, 1, 2).reshape(-1, value.shape[1], *value.shape[3:]) for key, value in given.items()}
    num_tracks = given["gt_visible"].shape[2]
    # … and it lists events by video, frame, track.
    events = sorted(
        events_of(rows["gt_visible"]), key=lambda event: (event.track // num_tracks, event.frame, event.track)
    )
    jaccards = event_jaccards(events, *rows.values())
    if f"{case}/raw/durations" in stored:
        assert [event.gap for event in events] == stored[f"{case}/raw/durations"].tolist()
        for column, k in enumerate(THRESHOLDS):
            # The reference divides in single precision.
            np.testing.assert_array_equal(jaccards[:, column].astype(np.float32), stored[f"{case}/raw/aj_rd_{k}"])
        where = [(event.track // num_tracks, event.frame, event.track % num_tracks) for event in events]
        assert where == list(zip(*stored[f"{case}/raw/indices"].tolist(), strict=True))
    else:
        assert not events
    got = redetection(events, jaccards)
    assert len(got) == 1 + len(MINIMAL_GAPS) * (1 + len(THRESHOLDS))
    for name, value in got.items():
        np.testing.assert_allclose(value, stored[f"{case}/out/{name}"], rtol=1e-6, err_msg=name)
