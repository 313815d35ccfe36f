"""Runs the program in forked processes, which start fast because all modules are imported, and can be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

TRACEBACK = "Traceback (most recent call last)"


def start(work: Callable[[], object], log: Path) -> int:
    """Do some work in a forked process, with its output in a file. Returns the process id. The exit code is that of `work`."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setpgid(0, 0)
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(number, 1)
        os.dup2(number, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as a process of its own has them
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        work()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(*words: object) -> Callable[[], None]:
    """The work that runs a command line."""

    def work() -> None:
        from vgmae_bench.cli import main

        sys.argv = ["vgmae-bench", *map(str, words)]
        main()

    return work


def wait(process: int, seconds: float) -> int | None:
    """The exit code of a process (negative: the signal that ended it); None if it still runs after that time."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def kill(process: int) -> None:
    """Send SIGKILL to a process and its children."""
    for send in (os.killpg, os.kill):
        try:
            send(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    try:
        os.waitpid(process, 0)
    except ChildProcessError:
        return


def finish(work: Callable[[], object], log: Path, seconds: float = 300.0) -> int | None:
    """Do some work to its end. Returns None if it was killed after the time limit."""
    process = start(work, log)
    code = wait(process, seconds)
    if code is None:
        kill(process)
    return code


def processor_seconds(process: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
