"""Track tables of other programs: read correctly, or refused with the line and the likely reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vgmae_bench.data.track_tables import first_frame, read_tracks
from vgmae_bench.errors import BadDataError, FaultError, damage

ROWS = [("a", 0, 14.0, 26.0, 1), ("a", 1, 16.0, 26.0, 1), ("b", 0, 15.5, 24.5, 1), ("b", 1, 17.5, 24.5, 0)]
XY = [[[14, 26], [16, 26]], [[15.5, 24.5], [17.5, 24.5]]]
HEADER = "point,frame,x,y,visible"


def table(row: str = "{},{},{},{},{}", header: str = HEADER) -> str:
    return header + "\n" + "".join(row.format(*values) + "\n" for values in ROWS)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (table(), "utf-8"),
        (table().replace("\n", "\r\n"), "utf-8"),
        (table(), "utf-8-sig"),
        (table("{}, {}, {} , {}, {} ", "point, frame, x , y, visible"), "utf-8"),
        (table("7,{},{},{},{},{}", f",{HEADER}"), "utf-8"),
    ],
    ids=["plain", "Windows", "byte order mark", "spaces", "index of pandas"],
)
def test_tables_that_differ_in_form_are_the_same(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    found = read_tracks(tmp_path / "a.csv")
    np.testing.assert_array_equal(found.xy, XY)
    np.testing.assert_array_equal(found.hidden, [[False, False], [False, True]])
    assert found.annotated.all()


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        (table("{0},{1}.0,{2},{3},{4}"), r"line 2: frame is '0\.0', not a whole number", "writing frames as 0, 1, 2"),
        (table().replace(",1\n", ",True\n"), "line 2: visible is 'True', not 0 or 1", "writing 1 where"),
        (table('{0},{1},"14,0",{3},{4}'), "line 2: x is '14,0', not a number of pixels", "decimals with a point"),
        (table("{0},{1},14,0,{3},{4}"), "line 2: it has 6 fields, the header 5", "quoting fields"),
        (table("{0},{1},{2}"), "line 2: it has 3 fields, the header 5", "quoting fields"),
        (table().replace(",", ";"), "its columns are separated by semicolons or tabs", "by commas"),
        (table("{},{},{},{},{},0", f"{HEADER},x"), "it has two columns x", "keeping one"),
        (HEADER + "\n", "it holds no tracks", ""),
        ("", "it has no column point, frame, x, y, visible", HEADER),
        (HEADER + "\na,0,1\0,2,1\n", "not a number of pixels|line contains NUL", ""),
    ],
)
def test_the_error_names_the_wrong_content_of_a_table(tmp_path: Path, text: str, why: str, remedy: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FaultError, match=why) as caught:
        read_tracks(tmp_path / "a.csv")
    assert remedy in caught.value.remedy


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(table().encode("utf-16"))
    with pytest.raises(FaultError, match="not text in UTF-8"):
        read_tracks(tmp_path / "a.csv")


def test_visibility_of_0_and_1_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"xy": XY, "visible": [[1, 1], [1, 0]]}))
    np.testing.assert_array_equal(read_tracks(tmp_path / "a.json").hidden, [[False, False], [False, True]], strict=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1, 2]", "it is not"),
        ('{"xy": 3}', "it is not"),
        ('{"xy": [[[1, 2], [3, 4]], [[1, 2]]]}', "differ in length"),
        ('{"xy": [["left"]]}', "other than pairs of numbers"),
        ('{"xy": []}', r"not \[0\]"),
        ('{"xy": [[]]}', r"not \[1, 0\]"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_the_error_names_the_wrong_content_of_json(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FaultError, match=why):
        read_tracks(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"xy": [[[1, 2]]], "xy": [[[3, 4]]]}', 'it has "xy" twice'),
        ('{"xy": [[[1, 2]]], "visibility": [[0]]}', 'it has "visibility", which is none of xy, visible, annotated'),
        ('{"xy": [[[1, 2]]], "occluded": [[1]]}', 'it has "occluded"'),
        ('{"xy": [[[%s, 2]]]}' % ("9" * 5000), "digits"),
        ('{"xy": [[[%s, 2]]]}' % ("9" * 400), "too large"),
    ],
)
def test_ambiguous_json_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadDataError, match=why), damage("the tracks"):
        read_tracks(tmp_path / "a.json")


def test_other_keys_of_json_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"xy": [[[1, 2]]], "made by": "me"}')
    assert read_tracks(tmp_path / "a.json").xy.tolist() == [[[1, 2]]]


def test_underscores_are_no_digits(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + "\na,0,1_4,26,1\n")
    with pytest.raises(FaultError, match="x is '1_4', not a number"):
        read_tracks(tmp_path / "a.csv")


@pytest.mark.parametrize(("numbers", "first"), [("012", 0), ("123", 1), ("31", 1), ("x", 0), ("", 0)])
def test_the_first_frame_of_a_table(tmp_path: Path, numbers: str, first: int) -> None:
    (tmp_path / "a.csv").write_text(HEADER + "\n" + "".join(f"a,{number},1,1,1\n" for number in numbers))
    assert first_frame(tmp_path / "a.csv") == first
