"""Kills commands at random moments. Finished work must remain, and no file may be incomplete."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import socketserver
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from safetensors import safe_open

from tests.campaign.processes import TRACEBACK, command, finish, kill, start, wait
from tests.clips import write_davis
from tests.data.files.server import serve
from vgmae_bench.data.files.download import download

CLIPS = 4
_RUN = ("run", "--method", "lucas-kanade", "--dataset", "synth", "--dataset-set", f"clips={CLIPS}", "--figures", "1")
_TRAIN = (
    "train",
    "--method",
    "gmae",
    "--config",
    "tiny",
    "--data",
    "synth",
    "--set",
    "steps=6",
    "--set",
    "batch_size=2",
)
_OFTEN = (
    "--set",
    "checkpoint_every=1",
    "--set",
    "picture_every=0",
    "--set",
    "distinct_clips=8",
    "--set",
    "validate_every=0",
)


class Victim(NamedTuple):
    """Work that is killed and continued.

    Attributes:
        work: fills `folder`, or continues to fill it.
        result: the files that must be equal with and without kills.
    """

    name: str
    folder: Path
    work: Callable[[], object]
    result: Callable[[], object]


def run(kills: int, seed: int, end: float, keep: Path) -> tuple[Counter[str], list[str]]:
    """Kill each kind of work, finish it, and compare the result with an undisturbed one."""
    draw = random.Random(seed)
    counts: Counter[str] = Counter({"kills": 0, "resumed": 0, "lost": 0, "half-written": 0, "tracebacks": 0})
    problems: list[str] = []
    socketserver.BaseServer.handle_error = lambda *_: None  # type: ignore[method-assign]  # whoever fetches is killed
    with serve() as server:
        server.files["big.bin"] = np.random.default_rng(seed).bytes(30_000_000)
        victims = _victims(f"{server.url}/big.bin")
        victims.sort(
            key=lambda victim: victim.name in ("run", "train")
        )  # these take longest and get the remaining time
        for place, victim in enumerate(victims):
            share = time.monotonic() + max(end - time.monotonic(), 0) / (len(victims) - place)
            _torment(victim, -(-kills // len(victims)), draw, share, counts, problems, keep)
            print(f"{victim.name}: {dict(counts)}", flush=True)
    return counts, problems


def _victims(url: str) -> list[Victim]:
    root = write_davis(Path("data").absolute(), clips=3, num_frames=30, size=(96, 128))
    runs, trained, prepared, fetched = (
        Path(name).absolute() for name in ("runs", "trained", "data/prepared", "fetched")
    )
    read = Path("read").absolute()
    for method in ("zero-motion", "lucas-kanade"):
        code = finish(command("run", "--method", method, *_RUN[3:], "--out", read), Path("log"))
        assert code == 0, Path("log").read_text()

    def fetch() -> None:
        fetched.mkdir(exist_ok=True)
        download(url, fetched / "big.bin")

    return [
        Victim("run", runs, command(*_RUN, "--out", runs), lambda: _scores(runs)),
        Victim("train", trained, command(*_TRAIN, *_OFTEN, "--out", trained), lambda: _weights(trained)),
        Victim(
            "data prepare", prepared, command("data", "prepare", "davis", "--data-root", root), lambda: _clips(prepared)
        ),
        Victim("data fetch", fetched, fetch, lambda: _sum(fetched / "big.bin")),
        Victim(
            "report",
            Path("reports").absolute(),
            command("report", "--results", read, "--out", "reports/report.html"),
            lambda: Path("reports/report.html").read_bytes().rstrip().endswith(b"</html>"),
        ),
    ]


def _torment(
    victim: Victim, kills: int, draw: random.Random, end: float, counts: Counter[str], problems: list[str], keep: Path
) -> None:
    log = Path("log")
    _clear(victim)
    began = time.monotonic()
    code = finish(victim.work, log)
    took = time.monotonic() - began
    if code != 0:
        problems.append(f"{victim.name} ends with {code} without a kill: {log.read_text()[-500:]}")
        return
    right, done = victim.result(), 0
    while done < kills and time.monotonic() < end:
        _clear(victim)
        for _ in range(min(draw.choice((1, 1, 2, 4)), kills - done)):
            process = start(victim.work, log)
            wait(process, draw.uniform(0, took))
            kill(process)
            done += 1
            half = half_written(victim.folder)
            problems.extend(f"{victim.name} left half of {path}" for path in half)
            counts.update({"kills": 1, f"of {victim.name}": 1, "half-written": len(half)})
        code = finish(victim.work, log, 60 + 20 * took)
        told = log.read_text(errors="replace")
        counts["tracebacks"] += TRACEBACK in told
        if code == 0 and victim.result() == right:
            counts["resumed"] += 1
        else:
            counts["lost"] += 1
            problems.append(f"{victim.name} after a kill: ends with {code}, {told[-400:]}")
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copytree(victim.folder, keep / f"{victim.name}-{done}", dirs_exist_ok=True)


def _clear(victim: Victim) -> None:
    shutil.rmtree(victim.folder, ignore_errors=True)
    if victim.name == "report":
        victim.folder.mkdir()


def half_written(folder: Path) -> list[Path]:
    """The incomplete files in a folder. Temporary files, whose names begin with a dot, are ignored."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != "." and not _whole(path)]


def _whole(path: Path) -> bool:
    readers: dict[str, Callable[[Path], object]] = {
        ".json": lambda file: json.loads(file.read_text()),
        ".csv": lambda file: (
            ([len(row) for row in csv.reader(file.open())] and file.read_text().endswith("\n")) or 1 / 0
        ),
        ".h5": lambda file: h5py.File(file).visititems(lambda _, item: item[()] if hasattr(item, "shape") else None),
        ".safetensors": lambda file: list(safe_open(file, "np").keys()),
        ".html": lambda file: file.read_bytes().rstrip().endswith(b"</html>") or 1 / 0,
        ".png": lambda file: file.read_bytes().endswith(b"IEND\xaeB`\x82") or 1 / 0,
    }
    if path.name == "log.csv" and not path.stat().st_size:  # the log of a training before its first line
        return True
    if path.suffix not in readers or ".part" in path.suffixes or ".part." in path.name:  # a download in progress
        return True
    try:
        readers[path.suffix](path)
    except Exception:  # a damaged file can cause any error
        return False
    return True


def _scores(folder: Path) -> dict[str, float]:
    (summary,) = folder.rglob("summary.json")
    content = json.loads(summary.read_text())
    assert content["clips"]["scored"] == CLIPS
    return {name: value["mean"] for name, value in content["metrics"].items() if "mean" in value}


def _weights(folder: Path) -> dict[str, bytes]:
    with safe_open(folder / "weights.safetensors", "np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118  # it is no dictionary


def _clips(folder: Path) -> int:
    with h5py.File(folder / "davis.h5") as file:
        return len(json.loads(file.attrs.get("about", "{}")).get("clips", ())) or len(file)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
