"""The report as a file: its content, its input, and the escaping of foreign text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import write_davis
from tests.compare.report_runs import ERROR, FRAMES, POINTS, PROTOCOL, footage, query_set, write_runs
from tests.records import write_run
from tests.shared.logs import logged
from tests.shared.plans import plan
from vgmae_bench.compare.report import figures, player_files
from vgmae_bench.compare.report.clips import worst_first
from vgmae_bench.compare.report.page import page
from vgmae_bench.compare.selection import select_runs
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.records.results import Session
from vgmae_bench.evaluation.run import execute
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.types import Tracks

OUT = Path("results")


@pytest.fixture(autouse=True)
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the plots, which are slow and have their own tests. One test draws all of them in a process without torch."""
    monkeypatch.setattr(figures, "SHOWN", ())
    monkeypatch.setattr(figures, "CLAIMS", ())


class Reader(HTMLParser):
    """Scripts, attributes that name something to load or follow, and headings of players."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str | None, str]] = []
        self.links: list[str] = []
        self.events: list[str] = []
        self.policy = ""
        self.inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "poster")]
        self.events += [name for name, _ in attrs if name.startswith("on")]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag == "script":
            self.scripts.append((found.get("type"), ""))
            self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside:
            kind, text = self.scripts.pop()
            self.scripts.append((kind, text + data))

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = None

    @property
    def player_files(self) -> list[dict[str, Any]]:
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]


def positions(tracks: dict[str, str], frames: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(tracks["xy"]), dtype="<i2").reshape(-1, frames, 2) / 16


def test_players_hold_the_tracks_worst_clip_first() -> None:
    write_runs(OUT)
    text = page(select_runs(OUT))
    assert re.findall(r'<h4 id="player-[^>]*>(.*?)</h4>', text) == ["hard", "easy"]
    pack = Reader(text).player_files[0]
    assert [method["name"] for method in pack["methods"]] == ["exact", "off"]
    truth, exact, off = (positions(tracks, FRAMES) for tracks in (pack["truth"], *pack["methods"]))
    np.testing.assert_allclose(truth, query_set().target_xy, atol=1 / 32)
    np.testing.assert_array_equal(exact, truth)
    np.testing.assert_allclose(off - truth, np.broadcast_to([0, ERROR], truth.shape), atol=1 / 16)
    visible = np.frombuffer(base64.b64decode(pack["truth"]["visible"]), dtype=np.uint8).reshape(POINTS, FRAMES)
    np.testing.assert_array_equal(visible == 0, query_set().target_occluded)
    assert pack["query_frame"] == query_set().queries.frame.tolist()
    assert pack["forward"]


def test_the_same_runs_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SHOWN", ("thresholds",))
    write_runs(OUT)
    assert page(select_runs(OUT)) == page(select_runs(OUT))


def test_clips_and_points_are_limited() -> None:
    write_runs(OUT, ("a", "b", "c"))
    found = Reader(page(select_runs(OUT), clips=2, max_points=5)).player_files
    assert len(found) == 2
    assert all(len(pack["labels"]) == 5 == len(positions(pack["truth"], FRAMES)) for pack in found)
    assert Reader(page(select_runs(OUT), clips=0)).player_files == []


def test_foreign_names_stay_text_and_nothing_is_loaded() -> None:
    evil = "</script><script>hacked=1</script><img src=//x.example/a onerror=hacked=1>\"'&"
    write_runs(OUT, ("easy", evil), ("exact", "off"))
    for record in OUT.rglob("record.json"):  # as in a foreign results folder
        run = RunFolder(record.parent)
        known = run.record()
        session = replace(Session.now("cpu", evil), device=evil)
        replace(known, method=replace(known.method, note=evil), sessions=[session]).write(run.path / "record.json")
    reader = Reader(page(select_runs(OUT), title=evil))
    assert [kind for kind, _ in reader.scripts] == ["application/json", "application/json", None]
    assert evil in reader.player_files[0]["methods"][0]["name"]
    assert all(link.startswith(("data:", "#")) for link in reader.links)
    assert not reader.events
    digest = base64.b64encode(hashlib.sha256(reader.scripts[-1][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in reader.policy
    assert reader.policy.startswith("default-src 'none'; img-src data:;")


def test_every_protocol_has_a_section_and_a_lone_incomplete_run_no_rank() -> None:
    write_runs(OUT, clips=[f"clip-{number}" for number in range(6)])  # fewer are too few to rank
    write_run(OUT, "exact", [0.5, 0.4], protocol="tapvid-strided", expected=3)
    text = page(select_runs(OUT, incomplete=True))
    assert text.count("<section") == 2
    assert "Numbers of different sections do not compare" in text
    first, second = text.split("<section")[1:]
    assert ">rank<" in first
    assert ">rank<" not in second
    assert "incomplete, 2 of 3 clips" in second
    assert "No clip can be shown here" in second


def test_published_numbers_stand_below_runs_on_published_sets() -> None:
    write_run(OUT, "exact", [0.5, 0.4], dataset="davis", protocol="tapvid-strided")
    write_run(OUT, "exact", [0.5, 0.4])
    davis, synth = page(select_runs(OUT)).split("<section")[1:]
    assert "TAP-Net" in davis and "GMRW-C" in davis
    assert "TAP-Net" not in synth and "no published numbers" not in synth


def test_clips_without_a_value_come_last() -> None:
    write_run(OUT, "a", [0.5, np.nan, 0.2], clips=["x", "y", "z"])
    write_run(OUT, "b", [0.1, np.nan, 0.6], clips=["x", "y", "z"])
    assert list(worst_first(select_runs(OUT))) == ["x", "z", "y"]


def test_kept_frames_of_any_content_stay_below_the_size_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 256, 256, 3), dtype=np.uint8)
    still = query_set()
    asked = type(still)(
        still.queries, still.track, np.repeat(still.target_xy, 3, axis=1), np.repeat(still.target_occluded, 3, axis=1)
    )
    film = player_files.make_clip(
        noise, asked, PROTOCOL, shape=(480, 854), fps=None, max_points=64, max_bytes=player_files.KEPT_BYTES
    )
    assert sum(map(len, film.jpegs)) <= player_files.KEPT_BYTES
    assert 1 < len(film.jpegs) == len(film.frames) < 30
    np.testing.assert_allclose(film.truth.xy / player_files.SUBPIXELS, asked.target_xy[:, film.frames], atol=1 / 32)
    drawn = player_files.make_tracks(film, Tracks(asked.target_xy, ~asked.target_occluded), PROTOCOL)
    np.testing.assert_array_equal(drawn.xy, film.truth.xy)


def test_unannotated_frames_and_missing_positions_are_not_drawn() -> None:
    asked = query_set()
    annotated = np.arange(FRAMES) % 2 == 0
    asked = type(asked)(asked.queries, asked.track, asked.target_xy, asked.target_occluded, annotated)
    frames = np.zeros((FRAMES, 32, 32, 3), dtype=np.uint8)
    film = player_files.make_clip(frames, asked, PROTOCOL, shape=(32, 32), fps=5, max_points=64, max_bytes=10**6)
    assert (film.truth.xy[:, 1::2] == player_files.NO_POSITION).all()
    assert (film.truth.xy[:, ::2] != player_files.NO_POSITION).all()
    lost = np.where(annotated[:, None], asked.target_xy, np.inf)
    assert (
        player_files.make_tracks(film, Tracks(lost, ~asked.target_occluded), PROTOCOL).xy[:, 1]
        == player_files.NO_POSITION
    ).all()


def test_kept_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    path, film = tmp_path / "clip.npz", footage()
    player_files.write_clip(path, film)
    once = path.read_bytes()
    again = player_files.read_clip(path)
    player_files.write_clip(path, again)
    assert path.read_bytes() == once
    assert again.jpegs == film.jpegs
    np.testing.assert_array_equal(again.truth.visible, film.truth.visible)


@pytest.mark.parametrize("kind", ["cut", "empty", "pickle", "no array"])
def test_damaged_kept_files_are_named_and_left_out(kind: str) -> None:
    folder = write_runs(OUT)[0]
    path = player_files.tracks_path(player_files.RunFolder(folder), "hard")
    content: dict[str, Any] = {"query": np.arange(POINTS), "frames": np.arange(FRAMES)}
    if kind == "pickle":
        np.savez(path, **content, xy=np.array([{}], dtype=object), visible=np.zeros(1, dtype=np.uint8))
    elif kind == "no array":
        np.savez(path, **content)
    else:
        path.write_bytes(path.read_bytes()[:100] if kind == "cut" else b"")
    with logged() as told:
        found = Reader(page(select_runs(OUT))).player_files
    assert any(str(path) in line for line in told)
    assert [[method["name"] for method in pack["methods"]] for pack in found] == [["off"], ["exact", "off"]]


def test_tracks_of_other_footage_are_refused(tmp_path: Path) -> None:
    film, fewer = footage(), footage(max_points=4)
    player_files.write_tracks(tmp_path / "a.npz", player_files.PlayerTracks(fewer.truth.xy, fewer.truth.visible), fewer)
    with pytest.raises(BadDataError, match="other frames or queries"):
        player_files.read_tracks(tmp_path / "a.npz", film)
    asked = query_set()
    with pytest.raises(BadDataError, match="does not fit"):
        player_files.make_tracks(film, Tracks(asked.target_xy[:, 1:], ~asked.target_occluded[:, 1:]), PROTOCOL)


def test_players_of_real_runs_are_kept_and_drawn_again_from_records_without_torch(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", num_frames=8)
    for method in ("zero-motion", "lucas-kanade"):
        execute(plan(method, "davis", data_root=root))
    drawn = Reader(page(select_runs(OUT), data_root=root)).player_files
    assert not list(OUT.rglob("*.npz"))  # frames of a dataset are kept only on request
    kept = Reader(page(select_runs(OUT), data_root=root, keep=True)).player_files
    assert [pack["methods"] for pack in kept] == [pack["methods"] for pack in drawn]
    assert len(kept) == 3
    assert len(list(OUT.glob("*/players/*/*.npz"))) == 3  # one file for both runs
    assert len(list(OUT.glob("*/*/*/players/*.npz"))) == 6
    for folder in OUT.rglob("predictions"):
        shutil.rmtree(folder)
    shutil.rmtree(root)
    without_torch = "import sys; sys.modules['torch'] = None; from vgmae_bench.cli import main; main()"
    command = [sys.executable, "-c", without_torch, "report", "--out", "sub/report.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "2 runs, 3 players" in done.stdout
    again = Reader(Path("sub/report.html").read_text(encoding="utf-8"))
    assert again.player_files == kept
    assert [link[:19] for link in again.links].count("data:image/svg+xml;") == 4 + 1  # bars of the claims


def test_the_report_names_missing_data(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "data", num_frames=8)
    execute(plan("zero-motion", "davis", data_root=root))
    shutil.rmtree(root)
    write_davis(root, clips=3, num_frames=9)  # the same name, other data
    with logged() as told:
        text = page(select_runs(OUT), data_root=root)
    assert any("not the data of the runs" in line for line in told)
    assert "none of 3 clips were available" in text
