"""Descriptions of the peers: valid BibTeX, licences, addresses, and a README that names all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from vgmae_baselines import peers

from vgmae_bench.cli import cli
from vgmae_bench.cli.show import show
from vgmae_bench.config import build, config_of
from vgmae_bench.errors import PluginError
from vgmae_bench.evaluation.method import open_method
from vgmae_bench.plugins import Plugin, load_reference
from vgmae_bench.specs import MethodSpec, RemoteWeights

SPECS = [value for value in vars(peers).values() if isinstance(value, MethodSpec)]
ROOT = Path(__file__).parents[3]


def test_every_spec_is_an_entry_point() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vgmae_bench.methods"]
    named = {name: point for name, point in points.items() if point.startswith("vgmae_baselines.peers:")}
    assert {name: getattr(peers, point.rpartition(":")[2]).name for name, point in named.items()} == {
        spec.name: spec.name for spec in SPECS
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_peer_can_be_cited_and_its_licence_is_told(spec: MethodSpec) -> None:
    for entry in spec.citation.split("\n"):
        assert re.match(r"@\w+\{[\w:]+, title=\{", entry) and entry.count("{") == entry.count("}")
        assert "year={" in entry
    assert spec.licence and spec.paper
    assert ("CC-BY-NC" in spec.licence) == bool(spec.notice)
    readme = (ROOT / "baselines" / "peers" / "README.md").read_text()
    assert f"`{spec.name}`" in readme


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.weights], ids=lambda spec: spec.name)
def test_remote_weights_have_an_address_and_imply_existing_settings(spec: MethodSpec) -> None:
    assert spec.default_weights in spec.weights and set(spec.published) <= set(spec.weights)
    factory = load_reference(Plugin(spec.name, spec, "", "", "", ""), spec.tracker or "")
    for weights in spec.weights.values():
        assert isinstance(weights, RemoteWeights) and weights.url.startswith("https://")
        config_class = config_of(factory)
        assert config_class is not None
        made = build(config_class, weights.settings, owner=spec.name)
        assert {name: getattr(made, name) for name in weights.settings} == dict(weights.settings)


def test_a_peer_is_shown_even_if_its_requirements_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plugin, "missing", property(lambda plugin: ["torchvision"] * (plugin.name == "cotracker3")))
    told = " ".join(CliRunner().invoke(show, ["cotracker3"]).output.split())
    assert "scaled (default, fetched), baseline (fetched)" in told and "are not for commercial use" in told
    assert "it needs torchvision, not installed here. Try: pip install torchvision" in told
    assert "one query per call, because queries influence each other" in told
    assert "base (default, fetched, licence: not stated)" in CliRunner().invoke(show, ["locotrack"]).output


def test_a_missing_checkout_is_reported_before_weights_are_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGMAE_BENCH_CHECKOUT_DINOV2", str(tmp_path / "nowhere"))
    monkeypatch.setattr(
        "vgmae_bench.evaluation.method.ensure_file", lambda *_, **__: pytest.fail("weights are fetched")
    )
    with pytest.raises(PluginError, match="facebookresearch/dinov2 is not checked out") as raised:
        open_method("dinov2", weights=None, settings={}, device="cpu", seed=0)
    assert raised.value.try_.startswith("git clone https://github.com/facebookresearch/dinov2 ")
    told = " ".join(CliRunner().invoke(show, ["dinov2"]).output.split())
    assert "runs a checkout of facebookresearch/dinov2@b8931f7" in told
    assert "cannot be used facebookresearch/dinov2 is not checked out. Try: git clone" in told
    assert "[facebookresearch/dinov2 is not checked out]" in CliRunner().invoke(cli, ["list", "methods"]).output


def test_a_method_with_its_checkout_is_shown_as_usable() -> None:
    assert "cannot be used" not in CliRunner().invoke(show, ["dinov2"]).output


def test_the_readme_names_every_repository_and_commit() -> None:
    readme = (ROOT / "baselines" / "peers" / "README.md").read_text()
    for spec in SPECS:
        assert not spec.checkout or spec.checkout.partition(":")[0].replace("@", " ") in readme
