"""Shows the progress of long work: tqdm's bar on a terminal, lines in the log of a batch job."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

_log = logging.getLogger(__name__)

T = TypeVar("T")

INTERVAL = 60.0
"""Seconds between two lines."""
BYTES = "B"
"""The unit of downloads. Bytes are shown as "1.20GB"."""


class Progress:
    """Shows progress on stderr until it is closed.

    On a terminal, it shows a bar. Otherwise, it logs a line every `INTERVAL` seconds: finished items, remaining items and
    remaining time. A thread logs the lines, so that they appear even during a long step. Work that takes less time than
    `INTERVAL` logs nothing.

    Arguments:
        what: the work, for instance "tracking".
        unit: the name of the items, in the plural, or `BYTES`.
        total: number of items; None if unknown.
        done: number of items finished before the start. The estimate of the remaining time excludes them.
        leave: keep the finished bar on the screen.
    """

    def __init__(self, what: str, unit: str, total: int | None, *, done: int = 0, leave: bool = True) -> None:
        self._what, self._unit, self._total, self._done = what, unit, total, done
        self._worked = 0
        self._note = ""
        self._start = time.monotonic()
        self._closed = threading.Event()
        self._bar = tqdm(
            desc=what,
            unit=unit if unit == BYTES else f" {unit}",
            unit_scale=unit == BYTES,
            total=total,
            initial=done,
            leave=leave,
            disable=None,  # disabled if stderr is not a terminal
            dynamic_ncols=True,
            file=sys.stderr,
        )
        if self._bar.disable:
            threading.Thread(target=self._tell, name="progress", daemon=True).start()

    def advance(self, number: int = 1, *, skipped: bool = False) -> None:
        """Count `number` more items as finished. With `skipped`, the estimate of the remaining time excludes them."""
        self._done += number
        if not skipped:
            self._worked += number
        elif not self._bar.disable:
            self._bar.initial += number
        self._bar.update(number)

    def note(self, text: str) -> None:
        """Show a text after the numbers. It replaces the previous text."""
        self._note = text
        self._bar.set_postfix_str(text)

    def line(self) -> str:
        """The state in one line, for instance "tracking: 12 of 30 clips done, 18 left, about 04:30 to go"."""
        seconds = time.monotonic() - self._start
        if self._total is None:
            told = f"{self._count(self._done)} done in {tqdm.format_interval(seconds)}"
        else:
            left = self._total - self._done
            told = f"{self._number(self._done)} of {self._count(self._total)} done, {self._number(left)} left"
            if left and self._worked:
                told += f", about {tqdm.format_interval(seconds * left / self._worked)} to go"
            elif left:
                told += f", {tqdm.format_interval(seconds)} so far"
        return f"{self._what}: {told}" + (f"; {self._note}" if self._note else "")

    def close(self) -> None:
        """Show nothing more."""
        self._closed.set()
        self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self) -> None:
        while not self._closed.wait(INTERVAL):
            _log.info(self.line())

    def _number(self, number: int) -> str:
        return tqdm.format_sizeof(number, BYTES, 1000) if self._unit == BYTES else str(number)

    def _count(self, number: int) -> str:
        return self._number(number) if self._unit == BYTES else f"{number} {self._unit}"


def counted(items: Iterable[T], what: str, unit: str, total: int | None = None, *, leave: bool = True) -> Iterator[T]:
    """Yield items and show the progress. See `Progress`.

    Arguments:
        total: number of items; by default the length of `items`, if it has one.
    """
    known = total if total is not None else len(items) if isinstance(items, Sized) else None
    with Progress(what, unit, known, leave=leave) as progress:
        for item in items:
            yield item
            progress.advance()
