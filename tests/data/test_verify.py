from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.data.toy import example, jpeg_example, save, save_davis
from vgmae_bench import data, plugins
from vgmae_bench.data.files.root import SUMS
from vgmae_bench.data.open import open_dataset
from vgmae_bench.data.verify import Finding, paths, verify
from vgmae_bench.errors import BadDataError, MissingDataError


@pytest.fixture(autouse=True)
def first_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """The datasets of this checkout, whatever is installed."""
    specs = [data.DAVIS, data.KINETICS]
    listed = [plugins.Plugin(spec.name, spec, "", "vgmae-bench", "0", "vgmae_bench.data") for spec in specs]
    monkeypatch.setattr(plugins, "installed", lambda kind: listed if kind == "datasets" else [])


def record(path: Path) -> None:
    (path.parent / SUMS).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def errors(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.where, finding.fault) for finding in findings if finding.severity == "error"]


def test_verify_finds_nothing_in_an_intact_dataset(tmp_path: Path) -> None:
    path = save_davis(tmp_path, {f"clip{number}": example(number) for number in range(30)})
    record(path)
    assert verify("davis", tmp_path) == []
    assert paths("davis", tmp_path) == [path]


def test_a_copy_of_unknown_origin_gets_notes(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    findings = verify("davis", tmp_path)
    assert errors(findings) == []
    assert [finding.where for finding in findings] == [str(path), "davis"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() in findings[0].fault
    assert findings[1].fault == "it has 2 clips, the published set 30"
    assert [finding.where for finding in verify("davis", tmp_path)] == ["davis"]  # by now it is known


def test_a_copy_of_unknown_origin_is_compared_from_its_first_use_on(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    open_dataset("davis", root=tmp_path)
    save_davis(tmp_path, {"bear": example(7)})
    for _ in range(2):
        with pytest.raises(BadDataError, match=r"tapvid_davis\.pkl has changed since it was first used") as caught:
            open_dataset("davis", root=tmp_path)
        assert "SHA256SUMS" in caught.value.try_
    (path.parent / SUMS).unlink()
    assert list(open_dataset("davis", root=tmp_path).ids) == ["bear"]


def test_a_file_that_differs_from_its_download_is_reported(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    record(path)
    save_davis(tmp_path, {"bear": example(7)})
    (file, fault), (name, _) = errors(verify("davis", tmp_path))  # it is not opened either
    assert (file, name) == (str(path), "davis")
    assert "has changed since it was first used" in fault


def test_a_missing_downloaded_file_is_reported(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    (path.parent / SUMS).write_text(f"{'0' * 64}  SOURCES.md\n")
    assert errors(verify("davis", tmp_path)) == [
        (str(path.parent / "SOURCES.md"), "it is missing, although SHA256SUMS lists it")
    ]


def test_changed_file_contents_are_found(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    verify("davis", tmp_path)
    (path.parent / SUMS).unlink()  # what is remembered of the file tells as well
    state, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1  # a pixel
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert errors(verify("davis", tmp_path)) == [
        (str(path), "its content has changed, but neither its size nor its date has")
    ]


def test_every_frame_of_every_clip_is_decoded(tmp_path: Path) -> None:
    broken = jpeg_example(1, padded=False)
    broken["video"][5] = b"\xff\xd8 no more"
    path = save([jpeg_example(0), broken, {}], tmp_path / "tapvid_kinetics" / "0000_of_0002.pkl")
    findings = verify("kinetics", tmp_path)
    assert errors(findings) == [
        ("0000-0001", 'Clip "0000-0001" of kinetics cannot be used: frame 5: not a JPEG image.'),
        ("0000-0002", f"Clip 2 of {path} cannot be used: it has no video, points, occluded."),
    ]
    assert any("0001_of_0002.pkl" in finding.fault for finding in findings if finding.severity == "note")


def test_a_file_that_cannot_be_opened_is_a_finding(tmp_path: Path) -> None:
    path = save_davis(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    assert [where for where, _ in errors(verify("davis", tmp_path))] == ["davis"]


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="davis is not at"):
        verify("davis", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert paths("davis", tmp_path) == []
