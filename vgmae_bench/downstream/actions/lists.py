"""Official lists of videos and their actions: Kinetics (CSV), Something-Something V2 (JSON), and "path label" lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vgmae_bench.data.video.file import VIDEO_SUFFIXES
from vgmae_bench.errors import BadDataError, damage

Kind = Literal["kinetics", "ssv2", "plain"]


class Entry(NamedTuple):
    """One video of a list.

    Attributes:
        id: the video's name in the list.
        paths: paths where the video may be, relative to the folder of videos, the likeliest first.
        label: name or number of the class.
    """

    id: str
    paths: tuple[Path, ...]
    label: str


def read_list(path: Path) -> tuple[Kind, list[Entry]]:
    """Read a list of videos, in its order, and tell its format.

    * Kinetics: CSV with the columns label, youtube_id, time_start and time_end. The video of a line is
      `[label/]<id>_<start>_<end>.<suffix>` (times with six digits) or `[label/]<id>.<suffix>`.
    * Something-Something V2: a JSON list of objects with id and template. The video is `<id>.webm`, or has another suffix.
    * Any other file: one "path label" per line, separated by a space, comma or tab, as in VideoMAE's lists.

    Raises:
        MissingDataError: there is no such file.
        BadDataError: the list cannot be read, or has no labels.
    """
    with damage(f"The list {path} cannot be read"):
        text = path.read_text(encoding="utf-8-sig")
    kind: Kind
    if path.suffix.lower() == ".json":
        kind, entries = "ssv2", list(_something(path, text))
    elif "youtube_id" in text.partition("\n")[0]:
        kind, entries = "kinetics", list(_kinetics(path, text))
    else:
        kind, entries = "plain", list(_plain(path, text))
    if not entries:
        raise BadDataError(f"The list {path} is empty")
    return kind, entries


def _kinetics(path: Path, text: str) -> Iterator[Entry]:
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            label, name = row["label"], row["youtube_id"]
            times = f"{int(float(row['time_start'])):06d}_{int(float(row['time_end'])):06d}"
        except (KeyError, TypeError, ValueError) as error:
            why = "it should have label, youtube_id, time_start and time_end; the official test list has no labels"
            raise BadDataError(f"Line {number} of {path} is not a line of a Kinetics list", why) from error
        stems = (f"{name}_{times}", name)
        yield Entry(
            f"{name}_{times}", _named(*(Path(*folder, stem) for stem in stems for folder in ((), (label,)))), label
        )


def _something(path: Path, text: str) -> Iterator[Entry]:
    try:
        rows: Any = json.loads(text)
        for row in rows:
            name, label = str(row["id"]), str(row["template"]).replace("[", "").replace("]", "")
            yield Entry(name, _named(Path(name)), label)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        why = "it should be a list of objects with id and template; the official test list has no labels"
        raise BadDataError(f"{path} is not a labelled list of Something-Something V2", why) from error


def _plain(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        separator = next((mark for mark in ("\t", ",", " ") if mark in line), None)
        name, _, label = line.strip().rpartition(separator or " ")
        if not name.strip() or not label.strip():
            raise BadDataError(f'Line {number} of {path} is not "path label"', f'it is "{line.strip()[:60]}"')
        yield Entry(name.strip(), (Path(name.strip()),), label.strip())


def _named(*stems: Path) -> tuple[Path, ...]:
    """Add every suffix of videos to names without one."""
    suffixes = (".mp4", ".webm", *sorted(VIDEO_SUFFIXES - {".mp4", ".webm"}))
    return tuple(stem.with_name(stem.name + suffix) for stem in stems for suffix in suffixes)
