"""Runs side by side in one table: for the terminal, as Markdown, LaTeX, CSV and JSON. What it says is in content.py."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vgmae_bench.compare.content import Table, build
from vgmae_bench.compare.selection import Row

if TYPE_CHECKING:
    from rich.console import Console

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "δ": r"$\delta$", "×": r"$\times$", "†": r"$\dagger$", "–": "--",
}  # fmt: skip
"""How LaTeX has the characters that it takes for commands, or that not every engine knows."""


def console() -> Console:
    """Where tables are printed: as wide as the terminal, and wide enough in a file."""
    from rich.console import Console

    return Console(width=None if Console().is_terminal else 200, highlight=False)


def print_table(rows: Sequence[Row]) -> None:
    """The plain table of runs for people, on stdout."""
    print_text(build(rows))


def print_text(table: Table) -> None:
    """For people, on stdout; on a terminal the best is bold, the second underlined."""
    from rich.markup import escape
    from rich.table import Table as Grid

    styles = {"best": "bold", "second": "underline", "": ""}
    grid = Grid(header_style="bold")
    grid.add_column("method", no_wrap=True)
    for name in (*(f"{name} [95 %]" for name in table.metrics), *table.details):
        source = name == "source"
        grid.add_column(escape(name), justify="left" if source else "right", no_wrap=not source, overflow="fold")
    for lines in (table.measured, table.literature):
        for line in lines:
            cells = [f"[{styles[c.mark]}]{c.value}[/]" if c.mark else c.value for c in line.cells]
            intervals = [escape(f" {cell.interval}") if cell.interval else "" for cell in line.cells]
            values = [value + interval for value, interval in zip(cells, intervals, strict=True)]
            grid.add_row(escape(line.name), *values, *map(escape, line.details))
        grid.add_section()
    screen = console()
    for text in (table.title, grid, *table.notes):
        screen.print(escape(text) if isinstance(text, str) else text, soft_wrap=isinstance(text, str))


def markdown(table: Table) -> str:
    """As Markdown; the best is bold."""
    header = ["method", *(f"{name} [95 %]" for name in table.metrics), *table.details]
    lines = [table.title.replace("\n", "  \n"), "", _line(header), _line(["---", *["---:"] * (len(header) - 1)])]
    for line in (*table.measured, *table.literature):
        values = [f"**{cell.value}**" if cell.mark == "best" else cell.value for cell in line.cells]
        cells = [f"{value} {cell.interval}".rstrip() for value, cell in zip(values, line.cells, strict=True)]
        lines.append(_line([line.name, *cells, *line.details]))
    return "\n".join([*lines, *("\n" + note for note in table.notes)])


def latex(table: Table) -> str:
    """For LaTeX with booktabs; the best is bold, the second underlined. The protocol and the notes are its caption."""
    styles = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}
    header = ["Method", *(_tex(name) for name in table.metrics), *(_tex(name) for name in table.details)]
    aligned = "".join("l" if name == "source" else "r" for name in (*table.metrics, *table.details))
    lines = [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += [rf"\begin{{tabular}}{{l{aligned}}}", r"\toprule", " & ".join(header) + r" \\"]
    for part in (table.measured, table.literature):
        lines += [r"\midrule"] if part else []
        for line in part:
            values = [styles[cell.mark] % _tex(cell.value) for cell in line.cells]
            intervals = [rf" {{\scriptsize {cell.interval}}}" if cell.interval else "" for cell in line.cells]
            cells = [value + interval for value, interval in zip(values, intervals, strict=True)]
            lines.append(" & ".join([_tex(line.name), *cells, *map(_tex, line.details)]) + r" \\")
    caption = [*table.title.split("\n"), "Brackets: 95 % bootstrap interval over clips", *table.notes]
    told = " ".join(_tex(sentence if sentence.endswith(".") else f"{sentence}.") for sentence in caption)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", rf"\caption{{{told}}}", r"\end{table}"])


def as_csv(records: Sequence[dict[str, Any]]) -> str:
    """`flat` as CSV with a header."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def as_json(records: Sequence[dict[str, Any]]) -> str:
    """`flat` as a JSON list."""
    return json.dumps(records, ensure_ascii=False, indent=2)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tex(text: str) -> str:
    return (
        r"$\delta_{\mathrm{avg}}$" if text == "δ_avg" else "".join(TEX.get(character, character) for character in text)
    )
