"""Compile a C++ file with the system's compiler, once per source, compiler and processor."""

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
"""Fastest first. Some compilers have no OpenMP (Apple's), some targets no -march=native."""
PATIENCE = 300.0
"""Seconds after which a compiler is taken to hang."""


class CompilerError(Exception):
    """There is no compiler, or none of the variants compiles; the message says why in one line."""


def compile_library(source: Path) -> Path:
    """The shared library made of `source` and the headers beside it, from the cache where possible.

    The library's name is a hash of these files and of all macros the compiler predefines for this processor, which hold
    its version and every instruction set it may use. It is written beside its place and moved there, so that any number
    of processes may do this at once.

    Raises:
        CompilerError: nothing could be compiled, or the cache folder cannot be written.
    """
    compiler = _compiler()
    text = b"\0".join(file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h"))))
    targets: list[tuple[tuple[str, ...], Path]] = []
    for variant in VARIANTS:
        try:
            macros = _run([*compiler, *variant, "-dM", "-E", "-x", "c++", "-"])
        except CompilerError:
            continue  # it does not know these flags
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


def _compiler() -> list[str]:
    """The compiler's command: $CXX, which may hold options, or the first of the usual names."""
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
            _run([*command, "-o", str(made), str(source)])
            os.replace(made, target)
    except OSError as error:
        raise CompilerError(f"cannot write to {target.parent}: {error.strerror or error}") from error


def _run(command: list[str]) -> str:
    """Standard output of a command whose standard input is empty."""
    try:
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"{command[0]} could not be run: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[-1])
        raise CompilerError(f"{command[0]} failed: {reason}")
    return done.stdout
