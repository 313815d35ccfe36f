"""Full and read-only storage, and several writers with equal process ids in one folder."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.campaign.killed import CLIPS, half_written
from tests.campaign.processes import TRACEBACK, command, finish, kill, start, wait
from tests.clips import write_davis

_RUN = ("run", "--method", "zero-motion", "--dataset", "synth", "--dataset-set", f"clips={CLIPS}", "--figures", "0")
_TRAIN = (
    "train",
    "--method",
    "gmae",
    "--config",
    "tiny",
    "--data",
    "synth",
    "--set",
    "steps=2",
    "--set",
    "batch_size=2",
)
_SIZES = (0, 1, 100, 1_000, 4_096, 10_000, 50_000, 200_000, 1_000_000)


def run_full(end: float) -> tuple[Counter[str], list[str]]:
    """Commands on a disk with a byte limit: an error of one line, and no incomplete file."""
    counts: Counter[str] = Counter({"attempts": 0, "refused": 0, "half-written": 0, "tracebacks": 0})
    problems: list[str] = []
    data = write_davis(Path("full-data").absolute(), clips=2)
    for size in _SIZES:
        for name in ("run", "train", "prepare"):
            if time.monotonic() > end:
                return counts, problems
            with _Disk(size) as disk:
                works = {
                    "run": command(*_RUN, "--out", disk.folder / "runs"),
                    "train": command(*_TRAIN, "--out", disk.folder / "trained"),
                    "prepare": command("data", "prepare", "davis", "--data-root", disk.data(data)),
                }
                code = finish(disk.limited(works[name]), Path("log"))
                _judge(f"{name} on {size} bytes", code, disk.folder, counts, problems)
                if code == 0:
                    continue
                disk.make_room()
                if finish(works[name], Path("log")) != 0:
                    problems.append(f"{name} after {size} bytes does not go on: {Path('log').read_text()[-300:]}")
    return counts, problems


def run_readonly(end: float) -> tuple[Counter[str], list[str]]:
    """Commands on read-only storage: an error of one line."""
    counts: Counter[str] = Counter({"attempts": 0, "refused": 0, "half-written": 0, "tracebacks": 0})
    problems: list[str] = []
    data = write_davis(Path("readonly-data").absolute(), clips=2)
    if finish(command(*_RUN, "--out", "good"), Path("log")) != 0:
        return counts, [Path("log").read_text()]
    with _Disk(10_000_000) as disk:
        folder = disk.folder
        root = disk.data(data)
        works = (
            (*_RUN, "--out", folder),
            (*_RUN, "--out", folder / "new"),
            (*_TRAIN, "--out", folder / "trained"),
            ("data", "prepare", "davis", "--data-root", root),
            ("data", "fetch", "davis", "--data-root", root, "--from", data),
            ("report", "--results", "good", "--out", folder / "report.html"),
            ("plot", "bars", "--results", "good", "--out", folder),
            ("export", "zero-motion", "--results", "good", "--out", folder / "a.npz"),
        )
        if not disk.lock():
            return counts, ["not tried: only root can mount a file system that is read-only"]
        for words in works:
            if time.monotonic() > end:
                break
            _judge(" ".join(map(str, words[:3])), finish(command(*words), Path("log")), folder, counts, problems)
    return counts, problems


def run_writers(end: float) -> tuple[Counter[str], list[str]]:
    """Two and four processes in one folder, with simulated equal process ids and host names."""
    counts: Counter[str] = Counter({"rounds": 0, "lost clips": 0, "half-written": 0, "tracebacks": 0})
    problems: list[str] = []
    for attempt in range(12):
        if time.monotonic() > end:
            break
        writers = 2 if attempt % 2 else 4
        folder = Path(f"shared-{attempt}").absolute()
        works: list[Callable[[], None]] = [
            command(*_RUN, "--out", folder, *(("--shard", f"{part}/{writers}") if attempt % 3 else ()))
            for part in range(1, writers + 1)
        ]
        started = [start(_twin(work), Path(f"log-{number}")) for number, work in enumerate(works)]
        codes = [wait(process, 300) for process in started]
        for process, code in zip(started, codes, strict=True):
            if code is None:
                kill(process)
        told = "".join(Path(f"log-{number}").read_text(errors="replace") for number in range(writers))
        if finish(command(*_RUN, "--out", folder, "--json"), Path("log")) != 0:
            problems.append(f"round {attempt}: {Path('log').read_text()[-300:]}")
        lost = CLIPS - len(list(folder.rglob("predictions/*.h5")))
        half = half_written(folder)
        counts.update({"rounds": 1, "lost clips": lost, "half-written": len(half), "tracebacks": told.count(TRACEBACK)})
        if lost or half or TRACEBACK in told or any(code != 0 for code in codes):
            problems.append(f"round {attempt}: {lost} clips lost, half of {half}, exit codes {codes}, {told[-600:]}")
    return counts, problems


class _Disk:
    """A folder with a byte limit: a small file system if it can be mounted, else a limit for each file."""

    def __init__(self, size: int) -> None:
        self.size, self.folder = size, Path("disk").absolute()
        self._mounted = False

    def __enter__(self) -> _Disk:
        self.folder.mkdir(exist_ok=True)
        pages = max(self.size, 4096)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={pages}", "tmpfs", str(self.folder)]
        self._mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def data(self, source: Path) -> Path:
        """A data root on the disk with links to the files of another data root."""
        for file in source.rglob("*.pkl"):
            place = self.folder / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file)
        return self.folder

    def limited(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same work, with a file size limit if the disk has no limit."""

        def limited() -> None:
            if not self._mounted:
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))
            work()

        return limited

    def lock(self) -> bool:
        """Make the disk read-only. Returns whether that was possible."""
        return self._mounted and not subprocess.run(["mount", "-o", "remount,ro", str(self.folder)]).returncode

    def make_room(self) -> None:
        """Make the disk large enough."""
        if self._mounted:
            subprocess.run(["mount", "-o", "remount,size=1g", str(self.folder)], check=True)


def _twin(work: Callable[[], None]) -> Callable[[], None]:
    """The same work in a process with another process's id and host name, as in containers on shared storage."""

    def twin() -> None:
        os.getpid = lambda: 4  # type: ignore[assignment]
        socket.gethostname = lambda: "container"  # type: ignore[assignment]
        work()

    return twin


def _judge(what: str, code: int | None, folder: Path, counts: Counter[str], problems: list[str]) -> None:
    """Count an attempt. A failure must be one of the program's errors of one line."""
    told, half = Path("log").read_text(errors="replace"), half_written(folder)
    counts.update(
        {"attempts": 1, "refused": int(code != 0), "half-written": len(half), "tracebacks": TRACEBACK in told}
    )
    if half or TRACEBACK in told or code is None or (code != 0 and "Error: " not in told):
        problems.append(f"{what}: ends with {code}, half of {half}, {told[-500:]}")
