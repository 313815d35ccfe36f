"""Progress without a terminal: lines that say what is done, what is left and how long that takes."""

from __future__ import annotations

import io
import logging
import re
import sys
import time
from collections.abc import Callable

import pytest

from vgmae_bench.progress import bar
from vgmae_bench.progress.bar import BYTES, Progress, counted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Lines come every 20 ms."""
    monkeypatch.setattr(bar, "INTERVAL", 0.02)
    caplog.set_level(logging.INFO, "vgmae_bench")
    return caplog


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_log_gets_lines_with_what_is_done_what_is_left_and_the_time(often: pytest.LogCaptureFixture) -> None:
    for number in counted(range(4), "tracking", "clips"):
        if number == 3:
            wait(lambda: "tracking: 3 of 4 clips done, 1 left, about " in often.text)
    assert re.search(r"about \d\d:\d\d to go", often.text)


def test_lines_come_while_a_step_takes_long_and_end_with_the_work(often: pytest.LogCaptureFixture) -> None:
    with Progress("tracking", "clips", 2) as progress:
        wait(lambda: len(often.messages) >= 2)
        progress.note("bear")
        wait(lambda: any(message.endswith("; bear") for message in often.messages))
    assert often.messages[0] == "tracking: 0 of 2 clips done, 2 left, 00:00 so far"
    time.sleep(0.1)  # the thread may be about to log one more
    count = len(often.messages)
    time.sleep(0.1)
    assert len(often.messages) == count


def test_short_work_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vgmae_bench")
    assert list(counted("abc", "reading", "files")) == ["a", "b", "c"]
    assert not caplog.messages


def test_the_time_left_counts_only_work_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    with Progress("tracking", "clips", 100, done=40) as progress:
        progress.advance(40, skipped=True)
        now[0] += 60
        progress.advance(5)
        assert progress.line() == "tracking: 85 of 100 clips done, 15 left, about 03:00 to go"


def test_bytes_are_readable_and_a_total_need_not_be_known() -> None:
    with Progress("downloading davis", BYTES, 3_400_000_000) as progress:
        progress.advance(1_200_000_000)
        assert progress.line().startswith("downloading davis: 1.20GB of 3.40GB done, 2.20GB left, about")
    with Progress("reading", "frames", None) as progress:
        progress.advance(7)
        assert progress.line() == "reading: 7 frames done in 00:00"


def test_a_terminal_has_a_bar_and_no_lines(often: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    for _ in counted(range(3), "tracking", "clips"):
        time.sleep(0.05)
    assert "tracking: 100%" in screen.getvalue()
    assert "3/3" in screen.getvalue()
    assert not often.messages
