"""`vgmae-bench` in processes of its own that start in milliseconds: they are forks of one that has imported everything.

Importing torch takes a second and a half, more than most commands take. Arguments, environment, working folder, standard
streams, signals and exit codes are those of a new process. What differs is that modules are imported already: tests of
what a command imports, and of variables that are read at import, start Python itself.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import weakref
from collections.abc import Mapping
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

import vgmae_bench

PRELOADED = [
    "torch",
    "pandas",
    "h5py",
    "cv2",
    "av",
    "matplotlib.pyplot",
    "lightning_fabric",
    "vgmae_bench.cli.compare.table",
    "vgmae_bench.cli.evaluation.run",
    "vgmae_bench.cli.evaluation.track",
    "vgmae_bench.cli.training",
    "vgmae_bench.api.own_video",
    "vgmae_bench.training.loop",
    "vgmae_bench.videogmae.tracker",
    "vgmae_baselines.lucas_kanade",
]


@cache
def context() -> multiprocessing.context.ForkServerContext:
    """The server is started once, with the environment of that moment."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(PRELOADED)
    return forkserver


class Started:
    """A running `vgmae-bench`, or `python -c` where a program is given.

    Arguments:
        arguments: of the command line.
        program: Python's text, which runs instead of `vgmae-bench`.
        cwd: working folder. Default: the tests'.
        env: variables beside those of the tests.
    """

    def __init__(
        self,
        *arguments: str,
        program: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="process-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._arguments = arguments
        where, environment = str(cwd or Path.cwd()), {**os.environ, **(env or {})}
        self._process: BaseProcess = context().Process(
            target=_run, args=(arguments, program, where, environment, self._folder)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float = 120) -> CompletedProcess[str]:
        """What the process left, once it has ended.

        Raises:
            TimeoutExpired: it did not end in time. It is killed.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise TimeoutExpired(list(self._arguments), timeout)
        said = [Path(self._folder, name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
        return CompletedProcess(self._arguments, self._process.exitcode, *said)


def _run(arguments: tuple[str, ...], program: str | None, cwd: str, environment: dict[str, str], folder: str) -> None:
    """What a new process finds, then its work."""
    import torch

    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a shell's foreground, whatever started the tests
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep) if "PYTHONPATH" in environment else []
    if threads := environment.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    sys.argv = [str(Path(vgmae_bench.__file__).with_name("__main__.py")), *arguments]
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
        stream = io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), "utf-8", line_buffering=number == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

    if program is not None:
        sys.argv[0] = "-c"
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    else:
        from vgmae_bench.cli import main

        main()
