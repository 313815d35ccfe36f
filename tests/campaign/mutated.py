"""Reads randomly damaged inputs in processes with a memory limit. All errors must be the package's own."""

from __future__ import annotations

import mmap
import os
import random
import resource
import struct
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.campaign import processes, seeds
from vgmae_bench.errors import UserError

LONGEST = 10.0
"""The limit of computing time for one input, in seconds."""
MEMORY = 2 * 2**30
"""The limit of additional memory for reading, in bytes."""
_TURN = 1000  # number of inputs of one kind before the next kind
_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_WORDS = (
    "nan",
    "-1",
    "1e400",
    "99999999999999999999",
    "null",
    "true",
    "[]",
    "{}",
    '"',
    ",",
    "\n",
    "\0",
    "é",
    "\ufeff",
    "1_0",
    "",
)


def run(inputs: int, seed: int, end: float, keep: Path, names: set[str]) -> tuple[Counter[str], list[str]]:
    """Read damaged inputs of all kinds in turn until the given number or the time limit."""
    kinds = [kind for kind in seeds.make(Path("seeds").absolute()) if not names or kind.name in names]
    counts: Counter[str] = Counter({"inputs": 0, "refused": 0, "read": 0, "tracebacks": 0, "hangs": 0, "deaths": 0})
    problems: list[str] = []
    done = [0] * len(kinds)
    share, place = -(-inputs // len(kinds)), 0
    while any(count < share for count in done) and time.monotonic() < end:
        turn = range(done[place], min(done[place] + _TURN, share))
        done[place] += _turn(kinds[place], f"{seed}-{place}", turn, keep, counts, problems)
        print(f"{kinds[place].name} {kinds[place].seed.name}: {dict(counts)}", flush=True)
        place = (place + 1) % len(kinds)
    for kind in {kind.name for kind in kinds}:
        counts[f"of {kind}"] = sum(count for count, one in zip(done, kinds, strict=True) if one.name == kind)
    counts["MB at most"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return counts, problems


def _turn(kind: seeds.Kind, seed: str, turn: range, keep: Path, counts: Counter[str], problems: list[str]) -> int:
    """Read the inputs of one turn in a supervised process. After a hang or a crash, start a new process."""
    at = turn.start
    told = mmap.mmap(-1, 40)  # number of the input, refused, read, tracebacks, hangs
    while at < turn.stop:
        told[:] = struct.pack("<5q", at, 0, 0, 0, 0)
        process = processes.start(
            lambda at=at: _read_all(kind, seed, range(at, turn.stop), keep, told), Path("mutated.log")
        )
        code = _watch(process, told)
        at, refused, read, failed, _ = struct.unpack("<5q", told[:])
        counts.update(inputs=refused + read + failed, refused=refused, read=read, tracebacks=failed)
        if code != 0 and at < turn.stop:
            what = "hangs" if code is None else "deaths"
            _keep(keep, kind, seed, at, what if code is None else f"ended with {code}")
            problems.append(
                f"{kind.name} {kind.seed.name}, input {seed}-{at}: {'hangs' if code is None else f'dies of {code}'}"
            )
            counts.update({"inputs": 1, what: 1})
            at += 1
    if failed_now := [
        path for path in sorted(keep.glob(f"{kind.seed.name}-{seed}-*.txt")) if str(path) not in problems
    ]:
        problems.extend(str(path) for path in failed_now)
    return len(turn)


def _watch(process: int, told: mmap.mmap) -> int | None:
    """The exit code of a reading process; None if it was killed because it computed too long on one input."""
    number, since = -1, 0.0
    while (code := processes.wait(process, 0.25)) is None:
        now = struct.unpack("<q", told[:8])[0]
        computed = processes.processor_seconds(process)
        if now != number:
            number, since = now, computed
        elif computed - since > LONGEST:
            processes.kill(process)
            return None
    return code


def _read_all(kind: seeds.Kind, seed: str, numbers: range, keep: Path, told: mmap.mmap) -> None:
    had = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (had + MEMORY, had + MEMORY))
    whole = kind.seed.read_bytes()
    path = Path(f"mutated{kind.seed.suffix}").absolute()
    refused = read = failed = 0
    for number in numbers:
        told[:32] = struct.pack("<4q", number, refused, read, failed)
        path.write_bytes(damaged(whole, f"{seed}-{number}", text=kind.name in ("csv", "json")))
        try:
            kind.read(path)
            read += 1
        except UserError as error:
            refused += 1
            assert str(error).strip(), "an error without a word"
        except Exception:  # any other error is a fault
            failed += 1
            _keep(keep, kind, seed, number, traceback.format_exc())
    told[:32] = struct.pack("<4q", numbers.stop, refused, read, failed)


def _keep(keep: Path, kind: seeds.Kind, seed: str, number: int, why: str) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    place = keep / f"{kind.seed.name}-{seed}-{number}"
    content = damaged(kind.seed.read_bytes(), f"{seed}-{number}", text=kind.name in ("csv", "json"))
    place.with_suffix(kind.seed.suffix).write_bytes(content)
    Path(f"{place}.txt").write_text(why)


def damaged(whole: bytes, seed: str, *, text: bool) -> bytes:
    """A file with one to four faults, the same ones for the same seed."""
    draw = random.Random(seed)
    content = bytearray(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if text and draw.random() < 0.7:
            content = _reworded(content, draw)
        elif content:
            draw.choice(_FAULTS)(content, draw)
    return bytes(content)


def _reworded(content: bytearray, draw: random.Random) -> bytearray:
    """Replace a word, or repeat or delete a line or a part."""
    for mark in draw.sample((b",", b"\n", b" ", b":"), 4):
        parts = bytes(content).split(mark)
        if len(parts) > 1:
            place = draw.randrange(len(parts))
            parts[place : place + 1] = draw.choice(([], [parts[place]] * 2, [draw.choice(_WORDS).encode()]))
            return bytearray(mark.join(parts))
    return content


def _flip(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 8, 64))):
        content[_place(content, draw)] ^= 1 << draw.randrange(8)


def _number(content: bytearray, draw: random.Random) -> None:
    """A number at the limit of its field."""
    width = draw.choice((1, 2, 4, 8))
    place = _place(content, draw)
    number = draw.choice(_NUMBERS) % 256**width
    content[place : place + width] = number.to_bytes(width, draw.choice(("little", "big")))[: len(content) - place]


def _cut(content: bytearray, draw: random.Random) -> None:
    del content[_place(content, draw) :]


def _drop(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    del content[place : place + draw.choice((1, 4, 64, 4096))]


def _double(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    content[place:place] = content[place : place + draw.choice((1, 4, 64, 4096))]


def _blank(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    length = min(draw.choice((1, 16, 512)), len(content) - place)
    content[place : place + length] = bytes(length)


def _move(content: bytearray, draw: random.Random) -> None:
    here, there = _place(content, draw), _place(content, draw)
    piece = content[here : here + draw.choice((4, 32, 512))]
    content[there : there + len(piece)] = piece


def _place(content: Sequence[int], draw: random.Random) -> int:
    """A position in the file. Headers are chosen as often as the rest of the file."""
    return draw.randrange(min(len(content), 256) if draw.random() < 0.5 else len(content)) if len(content) else 0


_FAULTS = (_flip, _flip, _number, _number, _cut, _drop, _double, _blank, _move)
