"""Every golden case of the official TAP-Vid metric function, to the last bit; likewise AJ_RD."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.golden import goldens
from tests.golden.goldens import Golden
from tests.golden.other_evaluators import tapvid_metrics
from vgmae_bench.metrics.redetection import MINIMAL_GAPS, event_jaccards, events_of, redetection
from vgmae_bench.metrics.thresholds import THRESHOLDS

METRICS, REDETECTION = "golden_tapvid_metrics.npz", "golden_aj_rd.npz"
# How other implementations deviate from the reference, as switches of ours.
PEERS: dict[str, dict[str, Any]] = {
    "cotracker": {"oa_denominator": "batch"},
    "gmrw_data_tapvid": {"oa_denominator": "batch"},
    "gmrw_utils_metrics": {"oa_denominator": "batch", "first_mask": "legacy_gmrw"},
}


def described(file: Golden) -> dict[str, dict[str, Any]]:
    """The cases by name, as the .json beside the file tells them."""
    return {case["id"]: case for case in json.loads(file.path.with_suffix(".json").read_text())["cases"]}


def redetection_cases(file: Golden) -> list[str]:
    """The .json beside the readers' file lists them; without it they are those of the file."""
    listed = file.folder / "golden_tapvid_readers.json"
    if listed.exists():
        return [case["id"] for case in json.loads(listed.read_text())["aj_rd"]]
    return sorted({name.split("/")[0] for name in file.stored})


def computed(stored: dict[str, np.ndarray], case: str, **switches: Any) -> dict[str, np.ndarray]:
    given = {key: stored[f"{case}/in/{key}"] for key in ("gt_occluded", "gt_tracks", "pred_occluded", "pred_tracks")}
    return tapvid_metrics(
        stored[f"{case}/in/query_points"][..., 0],
        *given.values(),
        str(stored[f"{case}/in/query_mode"]),  # type: ignore[arg-type]  # "first" or "strided"
        bad_query_frame="wrap",
        **switches,
    )


@pytest.mark.parametrize(("file", "case"), goldens.each(METRICS, cases=described))
@pytest.mark.parametrize("pooled", ["out", "trackwise"])
def test_equals_the_reference_exactly(file: Golden, case: str, pooled: str) -> None:
    prefix = f"{case}/{pooled}/"
    expected = {key.removeprefix(prefix): value for key, value in file.stored.items() if key.startswith(prefix)}
    got = computed(file.stored, case, trackwise=pooled == "trackwise")
    assert set(got) == set(expected)
    for metric, value in expected.items():
        np.testing.assert_array_equal(got[metric], value, err_msg=metric, strict=True)
        file.counted(prefix + metric)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("file", goldens.each(METRICS))
def test_parity_switches_reproduce_other_implementations(file: Golden, peer: str) -> None:
    """In the cases that hold what the other implementation gives."""
    cases = described(file)
    have = [case for case in cases if f"{case}/{peer}/average_jaccard" in file]
    if not have:
        pytest.skip(f"{file} does not have {peer}")
    compared = 0
    for case in have:
        if cases[case].get("peer_differences", {}).get(peer) is None:
            continue
        switches = dict(PEERS[peer])
        if str(file[f"{case}/in/query_mode"]) == "strided":
            switches.pop("first_mask", None)
        got = computed(file.stored, case, **switches)
        for metric in ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy"):
            name = f"{case}/{peer}/{metric}"
            np.testing.assert_array_equal(got[metric], file[name], err_msg=name)
            file.counted(name)
        compared += 1
    assert compared > len(cases) // 2


@pytest.mark.parametrize(("file", "case"), goldens.each(REDETECTION, cases=redetection_cases))
def test_redetection_equals_the_reference(file: Golden, case: str) -> None:
    stored = file.stored
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
        file.counted(*(f"{case}/raw/{name}" for name in ("durations", "indices", *(f"aj_rd_{k}" for k in THRESHOLDS))))
        where = [(event.track // num_tracks, event.frame, event.track % num_tracks) for event in events]
        assert where == list(zip(*stored[f"{case}/raw/indices"].tolist(), strict=True))
    else:
        assert not events
    got = redetection(events, jaccards)
    assert len(got) == 1 + len(MINIMAL_GAPS) * (1 + len(THRESHOLDS))
    for name, value in got.items():
        np.testing.assert_allclose(value, stored[f"{case}/out/{name}"], rtol=1e-6, err_msg=name)
        file.counted(f"{case}/out/{name}")
