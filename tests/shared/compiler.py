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


_reason = _missing()
needs_compiler = pytest.mark.skipif(bool(_reason), reason=_reason)
