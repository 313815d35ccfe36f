"""Marks tests that need a C++ compiler. Nothing is compiled to find out."""

from __future__ import annotations

import pytest

from vgmae_bench.splatting.compiler import CompilerError, find_compiler


def _missing() -> str:
    try:
        find_compiler()
    except CompilerError as error:
        return str(error)
    return ""


needs_compiler = pytest.mark.skipif(bool(_missing()), reason=_missing())
