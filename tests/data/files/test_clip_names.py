"""Every clip name gives a unique file name that is short enough for any file system."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vgmae_bench.data.files.clip_names import file_safe, shortened
from vgmae_bench.errors import BadDataError
from vgmae_bench.evaluation.store import file_name

CHINESE = "完結男友成了妹夫她轉頭相親閃婚了一個陌生男人誰料便宜老公不僅清冷禁慾而且"
ROOM = 255 - len(".predictions.json.host-12345-0123456789abcdef.tmp")


@pytest.mark.parametrize("name_of", [file_name, lambda name: file_safe(name, Path("a.pkl"))])
def test_long_names_differ_and_fit(name_of: object) -> None:
    assert callable(name_of)
    names = [CHINESE, CHINESE + "!", CHINESE[:-1] + "人", "x" * 300, "x" * 301]
    found = [name_of(name) for name in names]
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= ROOM
    assert found[0].startswith("%E5%AE%8C")
    assert re.fullmatch(r"(%[0-9A-F]{2})+-[0-9a-f]{16}", found[0])


def test_short_names_stay() -> None:
    assert shortened("a" * 180) == "a" * 180
    assert file_safe("a.b", Path("a.pkl")) == "a.b"
    with pytest.raises(BadDataError, match="its name is empty"):
        file_safe("", Path("a.pkl"))
