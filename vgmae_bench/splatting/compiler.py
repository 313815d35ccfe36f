"""Compiles a C++ file with the system's compiler, once per source, compiler and processor."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from vgmae_bench.files import cache_folder

FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")
VARIANTS: tuple[tuple[str, ...], ...] = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Sets of flags, fastest first. Apple's compiler lacks OpenMP, and some targets lack -march=native."""
PATIENCE = 300.0
"""Time limit for one run of the compiler, in seconds."""


class CompilerError(Exception):
    """There is no compiler, or no set of flags compiles. The message gives the reason in one line."""


def compile_library(source: Path) -> Path:
    """The shared library made from `source` and the headers in its folder. It is cached.

    The library's name is a hash of these files and of all macros that the compiler predefines for this processor. The
    macros hold the compiler's version and every instruction set that it may use. The library is written to a temporary
    file and then moved to its place, so that several processes can do this at once.

    Raises:
        CompilerError: compilation failed, or the cache folder cannot be written.
    """
    compiler = find_compiler()
    text = b"\0".join(file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h"))))
    targets: list[tuple[tuple[str, ...], Path]] = []
    for variant in VARIANTS:
        try:
            macros = _run([*compiler, *variant, "-dM", "-E", "-x", "c++", "-"])
        except CompilerError:
            continue  # the compiler does not know these flags
        digest = hashlib.sha256("\0".join([*FLAGS, *variant, macros]).encode() + text).hexdigest()[:16]
        targets.append((variant, cache_folder() / f"{source.stem}-{digest}.so"))
        if targets[-1][1].exists():
            return targets[-1][1]
    failure = CompilerError(f"{compiler[0]} does not work")
    for variant, target in targets:
        try:
            _compile([*compiler, *FLAGS, *variant], source, target)
        except CompilerError as error:
            failure = error
        else:
            return target
    raise failure


def find_compiler() -> list[str]:
    """The compiler's command: $CXX, which may contain options, or the first installed compiler of the usual names.

    Raises:
        CompilerError: there is none.
    """
    configured = shlex.split(os.environ.get("CXX", ""))
    names = configured[:1] or ["c++", "g++", "clang++"]
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise CompilerError(f"no C++ compiler found (looked for {', '.join(names)})")
    return [found, *configured[1:]]


def _compile(command: list[str], source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as folder:
            made = Path(folder) / target.name
            # The compiler writes the file itself, so write_atomically has nothing to do.
            _run([*command, "-o", str(made), str(source)])
            os.replace(made, target)
    except OSError as error:
        raise CompilerError(f"cannot write to {target.parent}: {error.strerror or error}") from error


def _run(command: list[str]) -> str:
    """Run a command with empty standard input. Returns its standard output."""
    try:
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"{command[0]} could not be run: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[-1])
        raise CompilerError(f"{command[0]} failed: {reason}")
    return done.stdout
