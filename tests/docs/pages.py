"""Reads the code blocks of Markdown pages and runs them as a reader would: in order, in one folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from vgmae_bench.cli import cli

ROOT = Path(__file__).parents[2]
READ_ONLY = " --results results/reference "
_passed: set[str] = set()
"""Commands that only read the committed results and have passed. They are not repeated for other pages."""


def pages() -> list[Path]:
    """README.md and all pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: (language, text)."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(str(language), str(text)) for language, text in found]


def commands(text: str) -> list[str]:
    """The lines of a block that call vgmae-bench, without comments."""
    lines = (line.split("  #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line.startswith("vgmae-bench ")]


def run_page(page: Path) -> int:
    """Run the blocks "bash" and "python" of a page in the current folder. Blocks marked "text" need data or minutes.

    A Python block that begins with a docstring that names a file ("my_tracker.py: …") is written to that file. Other Python
    blocks share their names.

    Returns:
        How many commands and Python blocks ran.
    """
    names: dict[str, Any] = {}
    count = 0
    for language, text in blocks(page):
        if language == "bash":
            for line in commands(text):
                count += 1
                if line in _passed:
                    continue
                result = CliRunner().invoke(cli, shlex.split(line)[1:])
                assert result.exit_code == 0, f"{page.name}: {line}\n{result.output}\n{result.exception}"
                if READ_ONLY in f"{line} ":
                    _passed.add(line)
        elif language == "python":
            if named := re.match(r'"""(\w+\.py):', text):
                Path(named[1]).write_text(text)
            else:
                exec(compile(text, page.name, "exec"), names)
            count += 1
    return count
