"""JSON files of results: written, read, migrated from old schemas, and refused with one line if damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.records import new_record, write_run
from vgmae_bench.data.dataset import Coverage
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.records.others import TrainingRecord
from vgmae_bench.evaluation.records.results import (
    Record,
    Session,
    Summary,
    WeightsUsed,
)
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.provenance import Commit

OLD: dict[str, Any] = {
    "format": 1,
    "key": "ab" * 32,
    "identity": {
        "method": "lucas-kanade",
        "method_config": {"levels": 3},
        "method_source": None,
        "weights": "cd" * 32,
        "dataset": "davis",
        "dataset_digest": "ef" * 32,
        "protocol": {"name": "tapvid-first", "query_mode": "first", "input_size": [256, 256], "thresholds": [1, 2, 4]},
        "seed": 3,
    },
    "protocol_digest": "01" * 32,
    "note": "slow",
    "weights_name": "tiny",
    "dataset_settings": {"split": "val"},
    "dataset_options": {"split": "val", "clips": 2},
    "protocol_sentence": "tapvid-first v1: query first",
    "published_clips": 30,
    "coverage": {"published": 30, "here": 2, "missing": None},
    "read_from": ["davis.h5"],
    "sessions": [
        {
            "started": "2026-11-21T19:43:38+00:00",
            "vgmae_bench": "0.1.0",
            "commit": {"id": "1584aaa3", "dirty": False},
            "python": "3.11.7",
            "platform": "Linux x86_64",
            "packages": {"torch": "2.13.0", "gsplat": None},
            "device": "CPU",
            "command": "vgmae-bench run",
        }
    ],
}


def test_records_are_read_as_written(tmp_path: Path) -> None:
    record = replace(new_record("a", settings={"levels": 3, "deep": {"x": None}}), sessions=[Session.now("cpu", "run")])
    record.write(tmp_path / "record.json")
    assert Record.read(tmp_path / "record.json") == record
    summary = RunFolder(write_run(tmp_path, "b", [0.25, float("nan")])).summary()
    assert summary is not None
    summary.write(tmp_path / "summary.json")
    assert Summary.read(tmp_path / "summary.json") == summary


def test_a_record_of_schema_1_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps(OLD))
    record = Record.read(tmp_path / "record.json")
    assert (record.schema, record.key, record.protocol_digest) == (2, "ab" * 32, "01" * 32)
    assert record.method.label == "lucas-kanade (tiny, slow)"
    assert (record.method.settings, record.method.seed) == ({"levels": 3}, 3)
    assert record.method.weights == WeightsUsed("tiny", "cd" * 32)
    assert (record.dataset.name, record.dataset.digest) == ("davis", "ef" * 32)
    assert record.dataset.settings == {"split": "val"}
    assert record.dataset.coverage == Coverage(30, 2, None)
    assert record.dataset.files == ["davis.h5"]
    assert (record.protocol.name, record.protocol.thresholds) == ("tapvid-first", (1, 2, 4))
    assert record.sessions[0].commit == Commit("1584aaa3", dirty=False)
    assert record.sessions[0].packages == {"torch": "2.13.0", "gsplat": None}


def test_a_training_of_schema_1_continues(tmp_path: Path) -> None:
    old = {"format": 1, "digest": "d", "identity": {"steps": 60}, "notes": [], "sessions": [], "progress": {"step": 3}}
    (tmp_path / "record.json").write_text(json.dumps(old))
    record = TrainingRecord.read(tmp_path / "record.json")
    assert (record.schema, record.identity, record.progress) == (2, {"steps": 60}, {"step": 3})


def test_a_record_without_weights_has_none(tmp_path: Path) -> None:
    bare = {**OLD, "identity": {**OLD["identity"], "weights": None}, "weights_name": None}
    for optional in ("coverage", "read_from", "published_clips", "dataset_settings", "dataset_options"):
        del bare[optional]
    (tmp_path / "record.json").write_text(json.dumps(bare))
    record = Record.read(tmp_path / "record.json")
    assert (record.method.weights, record.dataset.coverage, record.dataset.files) == (None, None, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"schema": 2', "is damaged. JSONDecodeError"),
        ("[]", "is damaged"),
        ("null", "is damaged"),
        ('{"schema": "two"}', "is damaged"),
        ('{"schema": 2}', "is damaged: protocol: Field required"),
        ('{"format": 1}', "is damaged. KeyError: 'identity'"),
        ('{"schema": 3}', "was written by a newer vgmae-bench: its schema is 3"),
        ("\xff", "is damaged"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_damaged_records_are_errors_of_one_line(tmp_path: Path, text: str, expected: str) -> None:
    kind = Summary if "protocol:" in expected else Record
    (tmp_path / "file.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadDataError) as caught:
        kind.read(tmp_path / "file.json")
    assert expected in str(caught.value)
    assert f"{tmp_path / 'file.json'}" in caught.value.what
    assert len(str(caught.value).split("\nTry")[0].splitlines()) == 1


def test_records_are_read_without_heavy_libraries(tmp_path: Path) -> None:
    new_record("a").write(tmp_path / "record.json")
    program = (
        "import sys\nfrom pathlib import Path\nfrom vgmae_bench.evaluation.records.results import Record\n"
        f"Record.read(Path({str(tmp_path / 'record.json')!r}))\n"
        "print(sorted({'torch', 'pandas', 'h5py', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_summary_of_schema_1_keeps_its_content(tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, "a", [0.25, 0.5]))
    summary = folder.summary()
    assert summary is not None
    old = {key: value for key, value in json.loads(summary.text()).items() if key != "schema"}
    (folder.path / "summary.json").write_text(json.dumps(old))
    assert folder.summary() == summary
