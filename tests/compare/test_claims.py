"""The audit of Video-GMAE's headline claims."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.records import write_run
from vgmae_bench import compare, plugins
from vgmae_bench.compare.claims import check_claim, check_claims, claims
from vgmae_bench.compare.selection import select_runs

OUT = Path("results")


def test_every_claim_has_what_scripts_rely_on() -> None:
    for claim in check_claims():
        assert {"claim", "stated", "recomputed", "cells", "protocols", "like_for_like"} <= set(claim)
        assert claim["cells"]
        for cells in claim["cells"]:
            gain = 100 * (cells["numerator"]["value"] / cells["denominator"]["value"] - 1)
            assert cells["gain"] == pytest.approx(gain, abs=1e-3)
            assert round(gain, 1) == claim["stated"]
            assert cells["numerator"]["source"] and cells["denominator"]["source"]
        assert {one["method"] for one in claim["protocols"]} == {
            cells[side]["method"] for cells in claim["cells"] for side in ("numerator", "denominator")
        }
        assert claim["like_for_like"] == {"published": [], "measured": []}


def test_each_claim_describes_its_comparison() -> None:
    kinetics, kubric, davis = check_claims()
    assert {
        (c["numerator"]["method"], c["numerator"]["value"], c["denominator"]["value"]) for c in kinetics["cells"]
    } == {("Video-GMAE-L fine-tuned", 75.1, 55.8)}
    assert "CoTracker3" in {c["denominator"]["method"] for c in kinetics["cells"]}
    assert kinetics["as_described"]["gain"] == pytest.approx(88.401)
    assert [(c["numerator"]["value"], c["denominator"]["method"]) for c in kubric["cells"]] == [(74.0, "TAP-Net")]
    assert "75.1 in arXiv:2512.22489, which would give +14.8 %" in kubric["verdict"]
    assert kubric["as_described"]["gain"] == pytest.approx(0.185)
    assert [c["denominator"]["method"] for c in davis["cells"]] == ["GMRW-C"]
    assert davis["cells"][0]["self_supervised"]
    assert not any(c["same_protocol"] for claim in (kinetics, kubric, davis) for c in claim["cells"])
    assert not any(c["self_supervised"] for claim in (kinetics, kubric) for c in claim["cells"])


def test_a_claim_without_matching_cells_is_reported() -> None:
    claim = check_claim(replace(claims()[0], stated=1234.5))
    assert claim["recomputed"] is None
    assert claim["cells"] == claim["protocols"] == []
    assert "No pair of published values gives +1234.5 %" in claim["verdict"]


def test_runs_of_both_methods_give_the_measured_gain() -> None:
    rival = np.random.default_rng(0).uniform(0.2, 0.4, 20)
    for protocol, factor in (("tapvid-first", 1.1), ("tapvid-strided", 1.2)):
        write_run(OUT, "videogmae", factor * rival, protocol=protocol)
        write_run(OUT, "gmrw", rival, protocol=protocol)
    write_run(OUT, "videogmae", [0.9, 0.9], protocol="videogmae-release")  # without a rival
    pairs = check_claims(select_runs(OUT))[0]["like_for_like"]["measured"]
    assert {pair["protocol"]: pair["gain"] for pair in pairs} == pytest.approx(
        {"tapvid-first": 10.0, "tapvid-strided": 20.0}
    )
    for pair in pairs:
        # The same factor on every clip: whichever clips are drawn, the ratio is the same.
        assert pair["ci95"] == pytest.approx([pair["gain"]] * 2)
        assert (pair["dataset"], pair["clips"]) == ("synth", 20)


def test_comparisons_know_no_method_by_name() -> None:
    """Names of methods are data: claims.toml and palette.csv. Docstrings may give examples."""
    methods = {plugin.name for plugin in plugins.installed("methods")}
    assert {claim.method for claim in claims()} | {claim.rival for claim in claims()} <= methods
    for path in Path(compare.__file__).parent.rglob("*.py"):
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not methods & constants, path
