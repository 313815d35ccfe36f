"""Write results/benchmarks/README.md: the latest measurements as tables, from the JSON files in the same folder.

python benchmarks/table.py            after `make bench`
python benchmarks/table.py --print    on standard output instead
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "results" / "benchmarks"

HEAD = """# Benchmarks: the last measurements

Written by `python benchmarks/table.py` from the JSON files in this folder. `make bench` measures again and writes both. Numbers
are medians. Compare them within a table only: each is a comparison in one run on one machine, and `benchmarks/NAME.py --help`
says of what. The load average is that of the last 1, 5 and 15 minutes at the end of the run; on an idle machine, it is the
benchmark's own.
"""

Row = tuple[str, dict[str, Any]]


def rows(results: dict[str, Any], name: str = "") -> Iterator[Row]:
    """The rows of nested results: all values that are no dictionaries, with the names of their parent dictionaries."""
    values = {key: value for key, value in results.items() if not isinstance(value, dict)}
    if values:
        yield name, values
    for key, value in results.items():
        if isinstance(value, dict):
            yield from rows(value, f"{name}, {key}" if name else key)


def cell(value: Any) -> str:
    """A table cell. Numbers have three digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value).replace("|", "/")
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def tables(found: list[Row]) -> Iterator[str]:
    """Tables in Markdown: neighbouring rows with the same columns share one."""
    columns: list[str] = []
    for name, values in found:
        if list(values) != columns:
            columns = list(values)
            yield "\n| | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns)
        yield f"| {name} | " + " | ".join(cell(value) for value in values.values()) + " |"


def section(content: dict[str, Any]) -> str:
    """The section of one benchmark."""
    machine, notes = content["machine"], content["notes"]
    commit = machine.get("commit") or {}
    said = ", ".join(f"{name} {value}" for name, value in notes.items() if not isinstance(value, list | dict))
    load = ", ".join(f"{one:.2f}" for one in notes["load_average"])
    about = [
        content["date"][:10],
        machine["device"],
        f"torch {machine['packages']['torch']}",
        f"commit {commit.get('id', 'unknown')[:7]}{' with changes' * bool(commit.get('dirty'))}",
        f"load average {load}",
        *([said] if said else []),
    ]
    body = "\n".join(tables(list(rows(content["results"]))))
    return f"\n## {content['benchmark']}\n\n{'; '.join(about)}.\n{body}\n"


def page(folder: Path = FOLDER) -> str:
    """The whole page."""
    files = sorted(folder.glob("*.json"))
    return HEAD + "".join(section(json.loads(file.read_text(encoding="utf-8"))) for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the page, write nothing")
    if parser.parse_args().print:
        print(page(), end="")
    else:
        FOLDER.joinpath("README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
