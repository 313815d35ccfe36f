"""Published numbers: complete, with sources, and equal to their sources."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from vgmae_bench.compare.published import BENCHMARKS, beside, read
from vgmae_bench.compare.row import HEADLINE
from vgmae_bench.evaluation.protocols import PROTOCOLS

ROOT = Path(__file__).parents[3]


def test_every_row_has_a_number_a_source_and_its_evidence() -> None:
    rows = read()
    assert len(rows) == len(set(rows)) == 289
    assert Counter(row.evidence for row in rows) == {"primary": 99, "secondary": 190}
    for row in rows:
        values = [row.value(metric) for metric in HEADLINE]
        assert not all(map(math.isnan, values)), row
        assert all(math.isnan(value) or 0 < value <= 100 for value in values), row
        assert row.method and row.paper and row.supervision and row.year.isdigit(), row
        assert row.source.startswith(("https://", "arXiv:")), row
        assert row.benchmark in {*BENCHMARKS.values(), "PointOdyssey"}, row


def test_protocols_follow_the_query_modes() -> None:
    expected = {
        "first": "tapvid-first",
        "strided": "tapvid-strided",
        "strided (inferred)": "tapvid-strided",
        "not standard": "videogmae-release",
        "undetermined": "",
    }
    for row in read():
        assert row.protocol == expected[row.query_mode]
        assert row.protocol in (*PROTOCOLS, "")
        if row.query_mode not in ("first", "strided") or row.dataset != row.benchmark or not row.resolution:
            assert row.differs, row


def test_selected_published_scores_equal_their_sources() -> None:
    cells = {(row.method, row.dataset, row.query_mode, row.AJ) for row in read()}
    for cell in (
        ("GMRW-C", "TAP-Vid-Kubric", "strided", "54.2"),
        ("TAP-Net", "TAP-Vid-DAVIS", "first", "33.0"),
        ("Opt-CWM", "TAP-Vid-Kinetics (30 sampled videos)", "first", "44.85"),
        ("Video-GMAE zero-shot", "TAP-Vid-Kinetics", "not standard", "60.1"),
    ):
        assert cell in cells


def test_query_modes_never_share_a_table() -> None:
    for protocol, other in (("tapvid-first", "tapvid-strided"), ("tapvid-strided", "tapvid-first")):
        rows = beside("davis", protocol)
        assert rows
        assert all(row.protocol != other for row in rows)
        values = [row.value("average_jaccard") for row in rows if row.AJ]
        assert values == sorted(values, reverse=True)
        assert any(row.comparable(protocol) for row in rows)
    assert beside("synth", "tapvid-first") == []


def test_the_published_scores_have_one_copy() -> None:
    assert (ROOT / "results" / "published.csv").resolve() == ROOT / "vgmae_bench" / "compare" / "published.csv"
