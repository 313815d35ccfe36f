"""Prepares items ahead in threads: in order, and within a memory limit.

Two environment variables set the limits for all commands. They do not change results.

* VGMAE_BENCH_READ_THREADS: number of threads that decode and resize frames. 0 turns reading ahead off. Default: one per
  core, at most 4.
* VGMAE_BENCH_READ_MEMORY: the most memory for prepared frames, in MB. Default: 512.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import repeat, takewhile
from typing import Generic, TypeVar

from vgmae_bench.settings import environment_number

THREADS = "VGMAE_BENCH_READ_THREADS"
MEMORY = "VGMAE_BENCH_READ_MEMORY"
_MOST_THREADS = 4
_MEMORY = 512

Request = TypeVar("Request")
Made = TypeVar("Made")


def read_threads() -> int:
    """Number of threads that decode and resize frames; 0: no reading ahead.

    Raises:
        UsageError: the environment variable is not a whole number.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return environment_number(THREADS, min(_MOST_THREADS, cores))


def read_memory() -> int:
    """The most memory for prepared frames, in bytes.

    Raises:
        UsageError: the environment variable is not a whole number.
    """
    return environment_number(MEMORY, _MEMORY) * 2**20


def made_ahead(
    requests: Iterable[Request], make: Callable[[Request], Made], ahead: int, threads: int = 1
) -> Generator[Made, None, None]:
    """Like `map(make, requests)`, but threads make up to `ahead` items before the caller needs them.

    With `ahead` 0, the items are made on demand, without a thread. If making an item raises an error, the iterator raises
    it instead of the item.
    """
    if ahead == 0 or threads == 0:
        yield from map(make, requests)
        return
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ahead")
    pending: deque[Future[Made]] = deque()
    try:
        for request in requests:
            pending.append(pool.submit(make, request))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def drawn_ahead(items: Iterable[Made], ahead: int) -> Generator[Made, None, None]:
    """The items of an iterator. A thread reads up to `ahead` items before the caller needs them; 0: no thread."""
    end = object()
    with closing(made_ahead(repeat(iter(items)), lambda iterator: next(iterator, end), ahead)) as made:
        yield from takewhile(lambda item: item is not end, made)


class NextAhead(Generic[Made]):
    """Makes the next item in a thread while the caller uses the current item. At most one item is made ahead.

    Arguments:
        make: `make(name, early)` makes the item with this name. With `early`, it may return None if there is no memory for
            a second item. The item is then made when the caller requests it.
        ahead: False: make all items on request, without a thread.
    """

    def __init__(self, make: Callable[[str, bool], Made | None], *, ahead: bool = True) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") if ahead else None
        self._coming: tuple[str, Future[Made | None]] | None = None

    def get(self, name: str, following: str | None) -> Made:
        """The item with this name. A thread starts to make the item `following` before this function returns."""
        coming, self._coming = self._coming, None
        made = coming[1].result() if coming is not None and coming[0] == name else None
        if made is None:
            made = self._make(name, False)
        if self._pool is not None and following is not None:
            self._coming = following, self._pool.submit(self._make, following, True)
        assert made is not None  # it was asked for
        return made

    def close(self) -> None:
        """Discard the items made ahead."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
