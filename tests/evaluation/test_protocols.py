"""The queries of each protocol. Its digest changes with everything that changes a score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.clips import clip
from vgmae_bench.errors import UnknownNameError, UsageError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.protocols import PROTOCOLS, find, parse_size, query_sets, scored_tracks, with_input
from vgmae_bench.metrics.tapvid import compute_tapvid
from vgmae_bench.types import Tracks

FIRST, STRIDED, RELEASE = (PROTOCOLS[name] for name in ("tapvid-first", "tapvid-strided", "videogmae-release"))


def test_first_has_one_query_per_track_and_strided_one_per_fifth_frame() -> None:
    ((frames, first),) = query_sets(clip(), FIRST)
    assert frames.shape == (12, 256, 256, 3)
    assert first.track.tolist() == list(range(6))
    ((_, strided),) = query_sets(clip(), STRIDED)
    assert set(strided.queries.frame) <= {0, 5, 10}
    assert len(strided.track) > len(first.track)


def test_queries_lie_on_their_targets_in_the_metric_raster() -> None:
    for protocol in (FIRST, STRIDED):
        ((_, query_set),) = query_sets(clip(size=(48, 80)), protocol)
        at_query = query_set.target_xy[query_set.track, query_set.queries.frame]
        np.testing.assert_allclose(query_set.queries.xy, at_query, rtol=1e-6)


def test_a_clip_without_a_visible_track_has_no_queries() -> None:
    blind = clip()
    blind = dataclasses.replace(blind, occluded=np.ones_like(blind.occluded))
    assert list(query_sets(blind, FIRST)) == list(query_sets(blind, STRIDED)) == []


def test_release_cuts_forty_frames_into_two_chunks_and_scores_four_frames_of_each() -> None:
    asked = list(query_sets(clip(num_frames=40, num_points=60), RELEASE))
    assert len(asked) == 2
    for frames, query_set in asked:
        assert frames.shape == (16, 224, 224, 3)
        assert len(query_set.track) <= 15
        assert set(query_set.queries.frame) == {0}
        perfect = Tracks(query_set.target_xy[query_set.track], ~query_set.target_occluded[query_set.track])
        assert scored_tracks(query_set, perfect, RELEASE).evaluated.sum(axis=1).tolist() == [4] * len(query_set.track)


def test_release_hides_what_leaves_the_crop_and_clamps_it() -> None:
    for _, query_set in query_sets(clip(num_frames=40, num_points=60), RELEASE):
        xy, hidden = query_set.target_xy, query_set.target_occluded
        assert xy.min() >= 0
        assert xy.max() <= 224
        assert hidden[(xy == 0).any(-1) | (xy == 224).any(-1)].all()


def test_release_query_sets_are_deterministic() -> None:
    once, again = (list(query_sets(clip(num_frames=40, num_points=60), RELEASE)) for _ in range(2))
    for (frames, query_set), (same_frames, same_query_set) in zip(once, again, strict=True):
        np.testing.assert_array_equal(frames, same_frames)
        np.testing.assert_array_equal(query_set.target_xy, same_query_set.target_xy)


@pytest.mark.parametrize(
    "change", [{"query_stride": 4}, {"input_size": (512, 512)}, {"thresholds": (1, 2)}, {"version": 2}]
)
def test_the_digest_changes_with_every_field(change: dict[str, object]) -> None:
    assert dataclasses.replace(FIRST, **change).digest("data") != FIRST.digest("data")  # type: ignore[arg-type]


def test_the_digest_changes_with_the_data() -> None:
    assert FIRST.digest("a") != FIRST.digest("b")


def test_protocols_are_found_by_name_or_query_mode() -> None:
    assert protocols.find(None, None) is FIRST
    assert protocols.find(None, "strided") is STRIDED
    assert protocols.find("videogmae-release", "first") is RELEASE
    with pytest.raises(UnknownNameError, match="tapvid-first"):
        protocols.find("tapvid-frist", None)
    with pytest.raises(UsageError, match="contradicts"):
        protocols.find("tapvid-first", "strided")


def test_another_input_is_another_protocol_scored_in_the_same_raster() -> None:
    base = PROTOCOLS["tapvid-strided"]
    wide = with_input(base, (32, 48))
    assert (wide.name, wide.input_size, wide.metric_size) == ("tapvid-strided-32x48", (32, 48), (256, 256))
    assert find("tapvid-strided-32x48", None) == wide == find("tapvid-strided-32x48", "strided")
    assert wide.digest("data") != base.digest("data")
    assert "input 48×32" in wide.sentence and "TAP-Vid's input is 256×256" in wide.sentence
    assert "TAP-Vid's input" not in base.sentence and with_input(base, (256, 256)) is base
    with pytest.raises(UsageError, match="contradicts"):
        find("tapvid-strided-32x48", "first")
    with pytest.raises(UsageError, match="crops frames"):
        find("videogmae-release-384x512", None)


def test_frames_of_another_input_come_from_the_source_and_perfect_answers_stay_perfect() -> None:
    known, asked = clip(size=(96, 120)), with_input(PROTOCOLS["tapvid-first"], (64, 100))
    ((frames, query_set),) = query_sets(known, asked)
    assert np.array_equal(frames, known.frames((64, 100)))
    true = query_set.target_xy[query_set.track] * [100 / 256, 64 / 256]
    tracks = Tracks(true, ~query_set.target_occluded[query_set.track])  # type: ignore[arg-type]
    np.testing.assert_allclose(query_set.queries.xy, true[np.arange(len(true)), query_set.queries.frame], atol=1e-4)
    assert compute_tapvid(scored_tracks(query_set, tracks, asked))["average_jaccard"] == 1


@pytest.mark.parametrize("text", ["384", "384x", "x512", "384X512", "7x512", "5000x512", "384x512x3", "-384x512"])
def test_invalid_input_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no input size"):
        parse_size(text)
