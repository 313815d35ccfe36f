"""Plugins of other distributions: found by metadata, imported on use, harmless if broken."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.clips import write_davis
from tests.shared.processes import Started
from vgmae_bench import plugins
from vgmae_bench.config import config_of
from vgmae_bench.errors import PluginError, UnknownNameError, UsageError
from vgmae_bench.evaluation.method import open_method
from vgmae_bench.settings import settings_of

GOOD = '''
"""Every point stays where it was queried."""
import numpy as np
from vgmae_bench import MethodSpec, Queries, Tracks

SPEC = MethodSpec(name="stay", tracker="good_plugin:Stay", summary="Stays.")

class Stay:
    def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
        xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
        return Tracks(xy=xy, visible=np.ones(xy.shape[:2], dtype=bool))
'''
METRIC = '''
"""How many queries there are."""
from vgmae_bench import MetricSpec

SPEC = MetricSpec(name="counting", factory="metric_plugin:score", summary="Counts.", values=("queries_asked",))

def score(answers):
    return {"queries_asked": float(len(answers.query_frame))}
'''


def install(site: Path, module: str, source: str, group: str, name: str) -> None:
    """Install a distribution as pip does: the module, and metadata with its entry point."""
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vgmae_bench.{group}]\n{name} = {module}:SPEC\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a good tracker, a metric, and two trackers that are broken in different ways."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "good_plugin", GOOD, "methods", "stay")
    install(site, "metric_plugin", METRIC, "metrics", "counting")
    install(site, "broken_spec", "import module_that_is_not_there\n", "methods", "broken-spec")
    late = GOOD.replace("good_plugin:Stay", "late_plugin_factory:Stay").replace('"stay"', '"broken-late"')
    install(site, "late_plugin", late, "methods", "broken-late")
    return site


def call(site: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = Started(*arguments, env={"PYTHONPATH": str(site)}).wait()
    assert done.returncode == code, done.stderr
    return done


def test_an_installed_tracker_and_metric_work_like_ours(site: Path, tmp_path: Path) -> None:
    write_davis(tmp_path / "data")
    arguments = ("run", "--dataset", "davis", "--json", "--method")
    theirs = json.loads(call(site, *arguments, "stay").stdout)
    ours = json.loads(call(site, *arguments, "zero-motion").stdout)
    assert theirs["metrics"] == ours["metrics"]
    assert theirs["metrics"]["queries_asked"]["mean"] == 6


def test_a_broken_plugin_fails_only_when_asked_for(site: Path) -> None:
    entries = {entry["name"]: entry for entry in json.loads(call(site, "list", "methods", "--json").stdout)}
    assert "module_that_is_not_there" in entries["broken-spec"]["unusable"]
    assert entries["stay"]["unusable"] is None
    for name, missing in (("broken-spec", "module_that_is_not_there"), ("broken-late", "late_plugin_factory")):
        told = call(site, "run", "--method", name, "--dataset", "synth", code=1).stderr
        assert missing in told
        assert "1.0" in told  # which version of which distribution
        assert "Traceback" not in told


def test_the_old_names_of_group_and_spec_still_work(tmp_path: Path) -> None:
    old = GOOD.replace("MethodSpec", "TrackerSpec").replace("tracker=", "factory=").replace("good_plugin", "old_plugin")
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", "old_plugin", old, "trackers", "stay")
    told = json.loads(call(tmp_path / "site", "show", "stay", "--json").stdout)
    assert told["tracker"] == "old_plugin:Stay"
    assert told["from"] == "old-plugin 1.0"


def test_a_method_without_a_part_is_refused_for_it() -> None:
    gmae = plugins.find("methods", "gmae")
    assert plugins.load(gmae, "explorer").__name__ == "GMAEExplorer"
    with pytest.raises(UsageError, match="gmae does not track points") as raised:
        plugins.load(gmae, "tracker")
    assert "videogmae" in raised.value.why  # who does
    assert "gmae" not in raised.value.why.replace("videogmae", "")


@pytest.mark.parametrize("plugin", plugins.installed("methods"), ids=lambda plugin: plugin.name)
def test_key_settings_of_our_methods_are_settings(plugin: plugins.Plugin) -> None:
    made = plugin.spec.tracker or plugin.spec.explorer
    config_class = config_of(plugins.load_reference(plugin, made))
    known = settings_of(config_class) if config_class else []
    names = [name for setting in known for name in {setting.path, setting.leaf}]
    assert len(plugin.spec.key_settings) <= 5
    for name in plugin.spec.key_settings:
        assert names.count(name) == 1, name
    assert plugin.spec.key_settings or not known


def test_a_plugin_from_a_file_takes_name_and_flags_from_its_spec(tmp_path: Path) -> None:
    (tmp_path / "good_plugin.py").write_text(GOOD.replace('summary="Stays."', 'summary="Stays.", causal=True'))
    found = plugins.find("methods", f"{tmp_path / 'good_plugin.py'}:Stay")
    assert found.name == "stay"
    assert found.spec.causal
    assert plugins.load(found, "tracker").__name__ == "Stay"


def test_a_file_without_that_attribute_is_named(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(GOOD)
    with pytest.raises(PluginError, match="Go"):
        plugins.find("methods", f"{tmp_path / 'plugin.py'}:Go")


def test_a_file_may_hold_several_specs_and_says_what_it_requires(tmp_path: Path) -> None:
    other = (
        'OTHER = MethodSpec("go", "Goes.", tracker="x:Go", requires=("not_there",), install="pip install not-there")'
    )
    more = f"{GOOD}\n{other}\n\nclass Go(Stay):\n    pass\n"
    (tmp_path / "several.py").write_text(more)
    assert plugins.find("methods", f"{tmp_path / 'several.py'}:Stay").name == "stay"
    with pytest.raises(PluginError, match='"go" needs not_there') as raised:
        plugins.find("methods", f"{tmp_path / 'several.py'}:Go")
    assert raised.value.try_ == "pip install not-there"


def test_a_method_that_returns_no_tracker_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("def make():\n    return 3\n")
    with pytest.raises(PluginError, match="make is no tracker"):
        open_method(f"{tmp_path / 'odd.py'}:make", weights=None, settings={}, device="cpu", seed=0)


def test_torchvision_of_another_torch_is_explained() -> None:
    told = plugins.explained(RuntimeError("operator torchvision::nms does not exist\nmore"))
    assert told.startswith("RuntimeError: operator torchvision::nms does not exist (")
    assert "another version of torch" in told


def test_unknown_names_come_with_suggestions() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean zero-motion\?"):
        plugins.find("methods", "zero-moton")
    with pytest.raises(UnknownNameError, match="there are: "):
        plugins.find("methods", "qqqqqq")
