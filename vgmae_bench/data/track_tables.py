"""Reads the user's tracks from CSV or JSON files. `vgmae_bench.data.folder` describes both formats."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import FaultError
from vgmae_bench.types import BoolArray

COLUMNS = ("point", "frame", "x", "y", "visible")
_KEYS = ("xy", "visible", "annotated")
# Unknown JSON keys like these are errors; others are ignored.
_LIKE_KEYS = ("vis", "occ", "annot", "hidden", "points", "tracks")
_MOST_FRAMES = 1_000_000  # a mistyped frame number must not fill the memory


class TrackTable(NamedTuple):
    """The tracks of one file.

    Attributes:
        xy: float64 [N, T, 2], raster pixels (the centre of the first pixel is (0.5, 0.5)); NaN where the file has no
            position.
        hidden: bool [N, T].
        annotated: bool [T], the frames for which the file has annotations.
    """

    xy: npt.NDArray[np.float64]
    hidden: BoolArray
    annotated: BoolArray


def read_tracks(path: Path) -> TrackTable:
    """Read a file of tracks.

    Raises:
        FaultError: the file is not such a table. The message names the line and the reason.
        ValueError, csv.Error, OverflowError: the file is neither CSV nor JSON, or a number is too large.
        OSError: the file cannot be read.
    """
    try:
        table = _read_csv(path) if path.suffix.lower() == ".csv" else _read_json(path)
    except UnicodeDecodeError as error:
        raise FaultError("it is not text in UTF-8", "saving it as UTF-8") from error
    except RecursionError as error:
        raise FaultError("its lists are nested too deeply") from error
    if not table.xy.size:
        raise FaultError("it holds no tracks")
    return table


def first_frame(path: Path) -> int:
    """The lowest frame number of a CSV file; 0 if it has none, or if `read_tracks` refuses the file."""
    lowest = 0
    try:
        for _, row in _rows(path):
            number = int(row["frame"])
            if number <= 0:
                return 0
            lowest = min(number, lowest or number)
    except (ValueError, OSError, csv.Error):
        return 0
    return lowest


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The line number and the fields by column of each row of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, skipinitialspace=True)
        header = [name.strip() for name in next(lines, [])]
        if twice := [name for name in COLUMNS if header.count(name) > 1]:
            raise FaultError(f"it has two columns {twice[0]}", "keeping one of them")
        if lacking := [name for name in COLUMNS if name not in header]:
            if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
                raise FaultError("its columns are separated by semicolons or tabs", "separating them by commas")
            raise FaultError(f"it has no column {', '.join(lacking)}", f"the header {','.join(COLUMNS)}")
        for fields in filter(None, lines):  # an empty line has no fields
            if len(fields) != len(header):
                fault = f"line {lines.line_num}: it has {len(fields)} fields, the header {len(header)}"
                raise FaultError(fault, "quoting fields that contain commas")
            yield lines.line_num, {name: text.strip() for name, text in zip(header, fields, strict=True)}


def _read_csv(path: Path) -> TrackTable:
    rows: dict[tuple[str, int], tuple[float, float, bool]] = {}
    for line, row in _rows(path):
        try:
            key = row["point"], _frame(row["frame"])
            if key in rows:
                raise FaultError(f"a second row for point {key[0]} in frame {key[1]}")
            rows[key] = _position(row, "x"), _position(row, "y"), _visible(row["visible"])
        except FaultError as fault:
            raise FaultError(f"line {line}: {fault}", fault.remedy) from fault
    points = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in rows))}
    num_frames = max((frame for _, frame in rows), default=-1) + 1
    xy = np.full((len(points), num_frames, 2), np.nan)
    hidden, annotated = np.ones(xy.shape[:2], dtype=bool), np.zeros(num_frames, dtype=bool)
    for (name, frame), (x, y, visible) in rows.items():
        xy[points[name], frame] = x, y
        hidden[points[name], frame] = not visible
        annotated[frame] = True
    return TrackTable(xy, hidden, annotated)


def _frame(text: str) -> int:
    if not text.lstrip("-").isdecimal():
        raise FaultError(f"frame is {text!r}, not a whole number counted from 0", "writing frames as 0, 1, 2, …")
    if not 0 <= int(text) < _MOST_FRAMES:
        raise FaultError(f"there is no frame {text}", "counting frames from 0")
    return int(text)


def _visible(text: str) -> bool:
    if text not in ("0", "1"):
        raise FaultError(f"visible is {text!r}, not 0 or 1", "writing 1 where a point is visible, and 0 elsewhere")
    return text == "1"


def _position(row: dict[str, str], name: str) -> float:
    text = row[name]
    try:
        if "_" in text:  # float() would accept underscores
            raise ValueError
        return float(text or "nan")
    except ValueError:
        hint = "writing decimals with a point" if "," in text else "a number, or nothing if a hidden point is unknown"
        raise FaultError(f"{name} is {text!r}, not a number of pixels", hint) from None


def _read_json(path: Path) -> TrackTable:
    content: Any = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    if not isinstance(content, dict) or not isinstance(content.get("xy"), list):
        raise FaultError('it is not {"xy": [N][T] of [x, y] or null}')
    if unknown := [name for name in content if name not in _KEYS and name.lower().startswith(_LIKE_KEYS)]:
        raise FaultError(f'it has "{unknown[0]}", which is none of {", ".join(_KEYS)}', '"visible" or "annotated"')
    if len({len(track) for track in content["xy"] if isinstance(track, list)}) > 1:
        raise FaultError("its tracks differ in length", "null for frames in which a point is nowhere")
    nowhere = [np.nan, np.nan]
    try:
        tracks = [[nowhere if at is None else at for at in track] for track in content["xy"]]
        xy = np.array(tracks, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FaultError("xy holds something other than pairs of numbers and null") from error
    if xy.ndim != 3 or xy.shape[2] != 2:
        raise FaultError(f"xy must be [N][T] of [x, y] or null, not {list(xy.shape)}")
    visible = _booleans(content, "visible", np.asarray(np.isfinite(xy).all(axis=-1)))
    annotated = _booleans(content, "annotated", np.ones(xy.shape[1], dtype=bool))
    last = int(np.flatnonzero(annotated).max(initial=-1)) + 1
    return TrackTable(xy[:, :last], ~visible[:, :last] | ~annotated[:last], annotated[:last])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises FaultError if a key occurs twice, because readers do not agree on which one counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise FaultError(f'it has "{name}" twice', "keeping one of them")
    return content


def _booleans(content: dict[str, Any], name: str, default: BoolArray) -> BoolArray:
    if name not in content:
        return default
    try:
        values = np.array(content[name])
    except ValueError as error:
        raise FaultError(f"{name} differs in length from xy") from error
    if values.shape != default.shape or not (values.dtype == np.bool_ or np.isin(values, (0, 1)).all()):
        raise FaultError(f"{name} must be true or false {list(default.shape)}, not {values.dtype} {list(values.shape)}")
    return values.astype(bool)
