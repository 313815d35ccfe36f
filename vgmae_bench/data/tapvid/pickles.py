"""Loads TAP-Vid pickles without running code in them. Memory holds one file at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vgmae_bench.data.files.index import Stamp, stamp
from vgmae_bench.data.tapvid import safe_pickle
from vgmae_bench.errors import BadDataError


class _OneFile:
    """The most recently loaded file. Clips share its arrays. Loading another file releases it first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._content: Any = None

    def load(self, path: Path) -> Any:
        with self._lock:
            wanted = stamp(path)
            if wanted != self._stamp:
                self._stamp = self._content = None
                self._content = safe_pickle.load(path)
                self._stamp = wanted
            return self._content


_last = _OneFile()


def load_examples(path: Path, containers: tuple[type, ...]) -> Mapping[str | int, Any]:
    """The raw examples of a file by clip name, or by position if the file holds a list.

    Arguments:
        path: a pickle.
        containers: `dict`, `list`, or both: the containers that the file may hold.

    Raises:
        BadDataError: the file is damaged, or holds another container.
        UntrustedFileError: the file holds something other than plain data.
    """
    content = _last.load(path)
    if not isinstance(content, containers):
        kinds = " or ".join("dictionary" if kind is dict else "list" for kind in containers)
        raise BadDataError(
            f"{path} is not a file of clips", f"it holds a {type(content).__name__}, not a {kinds} of clips"
        )
    if isinstance(content, list):
        return dict(enumerate(content))
    names = cast(Mapping[str | int, Any], content)
    if odd := [key for key in names if not isinstance(key, str)]:
        raise BadDataError(f"{path} is not a file of clips", f"{odd[0]!r} is not the name of a clip")
    return names
