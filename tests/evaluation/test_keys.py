"""Keys of runs depend only on settings that change predictions. Runs with older keys are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clips import write_davis
from tests.shared.plans import plan
from vgmae_bench.evaluation.run import Plan, execute
from vgmae_bench.evaluation.store import all_runs

METHOD = '''
"""Predicts that points do not move, shifted to the right by some pixels."""
from dataclasses import dataclass
import numpy as np
from vgmae_bench import Tracks
from vgmae_bench.settings import no_effect

@dataclass(frozen=True)
class Settings:
    right: float = 0.0
    batch: int = no_effect(4)

class Shifted:
    def __init__(self, config: Settings) -> None:
        self.right = config.right

    def track(self, frames, queries):
        xy = np.repeat(queries.xy[:, None] + np.float32([self.right, 0]), len(frames), 1)
        return Tracks(xy, np.ones(xy.shape[:2], bool))
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shifted.py").write_text(METHOD)
    return write_davis(tmp_path / "data", clips=1)


def planned(root: Path, **settings: float) -> Plan:
    method = f"{root.parent / 'shifted.py'}:Shifted"
    return plan(method, "davis", settings=settings, data_root=root, out=root.parent / "results")


def test_a_setting_without_effect_does_not_make_another_run(root: Path) -> None:
    first = planned(root)
    execute(first, figures=0)
    again = planned(root, batch=1)
    assert again.record.key == first.record.key
    assert again.open_clips == []
    assert first.folder.record().method.settings == {"right": 0.0, "batch": 4}


def test_a_setting_with_effect_makes_another_run(root: Path) -> None:
    execute(planned(root), figures=0)
    other = planned(root, right=1.0)
    assert other.folder.path != planned(root).folder.path
    assert len(other.open_clips) == 1


def test_queries_per_call_change_the_key_only_for_joint_trackers(root: Path) -> None:
    file = root.parent / "shifted.py"
    name = f"{file}:Shifted"

    def key(ask: str | None) -> str:
        return plan(name, "davis", data_root=root, out=root.parent / "results", ask=ask).record.key

    assert key(None) == key("all") != key("single")
    file.write_text(METHOD.replace("class Shifted:", "class Shifted:\n    queries = 'joint'"))
    keys = {ask: key(ask) for ask in (None, "single", "frame", "all", "all:2")}
    assert keys[None] == keys["single"] and len(set(keys.values())) == 4
    made = plan(name, "davis", data_root=root, out=root.parent / "results", ask="frame:2")
    execute(made, figures=0)
    record = made.folder.record()
    assert (record.method.queries, record.method.ask, record.method.joint) == ("joint", "frame:2", True)


def as_older_versions_wrote_it(made: Plan) -> Path:
    """Give the run at `made` the key and the record that version 0.1.0 of November 2026 gave it; returns its folder."""
    from vgmae_bench import config

    record = made.folder.record()
    everything = {
        "method": record.method.name,
        "method_config": record.method.settings,
        "method_source": record.method.source,
        "weights": None,
        "dataset": record.dataset.name,
        "dataset_digest": record.dataset.digest,
        "protocol": config.to_json(record.protocol),
        "seed": record.method.seed,
    }
    replace(record, key=config.digest(everything)).write(made.folder.path / "record.json")
    path = made.folder.path / "record.json"
    content = json.loads(path.read_text())
    del content["method"]["without_effect"]
    path.write_text(json.dumps(content))
    return made.folder.path.rename(made.folder.path.parent / content["key"][:8])


def test_a_run_with_an_older_key_is_continued_in_its_folder(root: Path) -> None:
    first = planned(root, batch=2)
    execute(first, figures=0)
    old = as_older_versions_wrote_it(first)
    assert old != first.folder.path
    found = planned(root, batch=2)
    assert (found.folder.path, found.open_clips) == (old, [])
    execute(found, figures=0)
    assert [run.path for run in all_runs(root.parent / "results")] == [old]
    assert found.folder.record().key[:8] == old.name
