"""Formats a table of runs for the terminal, Markdown, LaTeX, CSV and JSON. content.py makes its content."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vgmae_bench.compare.cells import COSTS, WORDS, Cell, Line, Mark, Table
from vgmae_bench.compare.content import build
from vgmae_bench.compare.row import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "δ": r"$\delta$", "×": r"$\times$", "†": r"$\dagger$", "‡": r"$\ddagger$", "–": "--", "±": r"$\pm$", "§": r"\S{}",
}  # fmt: skip
"""LaTeX for characters that are commands, and for those that not every engine knows."""
FILE_WIDTH = 200
"""Width in characters if the output is not a terminal and COLUMNS is not set."""
SOURCE_WIDTH, CLIPS_WIDTH = 34, 12
"""Characters per line in the columns of sources and of clips, on a terminal."""
NAME_WIDTHS = (100, 28, 24, 20, 16)
"""Characters per line of names, the widest first. A word is never broken, so a line can be longer."""
STYLES = {"best": "bold", "second": "underline"}


@dataclass(frozen=True)
class Layout:
    """How much of a table a terminal shows.

    Attributes:
        costs: whether the cost columns are shown.
        intervals: "ends" ("[65.0, 68.0]"), "half" ("±1.5") or "none".
        name: line length of the method column in characters; longer names are wrapped. None: names stay on one line.
        folded: whether sources and numbers of clips are wrapped.
    """

    costs: bool = True
    intervals: str = "ends"
    name: int | None = None
    folded: bool = True


def console(needed: int = 0) -> Console:
    """The console for tables: as wide as the terminal, or wide if the output is a file.

    Arguments:
        needed: the least width. A terminal that is narrower wraps the lines, so that nothing is cut.
    """
    from rich.console import Console

    known = Console().is_terminal or "COLUMNS" in os.environ
    return Console(width=max(needed, Console().width if known else FILE_WIDTH), highlight=False)


def print_table(rows: Sequence[Row]) -> None:
    """Print the plain table of runs to stdout."""
    print_text(build(rows))


def print_text(table: Table) -> None:
    """Print a table for people to stdout. On a terminal, the best value is bold and the second best underlined.

    A narrow terminal leaves costs out first. Next, intervals become half-widths. Next, long names are wrapped. If the
    table is still too wide, its metrics are split into several tables, and at last intervals are left out. Numbers and
    names are never cut.
    """
    from rich.markup import escape

    screen = console()
    screen.print(escape(table.title), soft_wrap=True)
    parts = _fitting(table, screen.width)
    screen = console(max(_width(part, layout) for part, layout in parts))
    for part, layout in parts:
        screen.print(_grid(part, layout))
    for note in (*_layout_notes(table, parts), *table.notes):
        screen.print(escape(note), soft_wrap=True)


def _fitting(table: Table, width: int) -> list[tuple[Table, Layout]]:
    """The table in the first layout that fits the width. If none does, it is split by metrics into as few as possible."""
    longest = max((len(line.name) for line in table.lines), default=0)
    names = sorted({min(longest, length) for length in NAME_WIDTHS}, reverse=True)
    kept = table.chosen or not set(COSTS) & set(table.details)
    ends, half, none = ([Layout(kept, form, name) for name in names] for form in ("ends", "half", "none"))
    numbers = range(1, len(table.metrics) + 1)
    whole = [Layout(), Layout(kept), Layout(kept, "half"), *half]
    tries = [(1, whole), *((number, [Layout(kept), *ends, *half]) for number in numbers[1:])]
    for number, layouts in [*tries, *((number, none) for number in numbers)]:
        parts = _split(table, number)
        for layout in layouts:
            if all(_width(part, layout) <= width for part in parts):
                return [(part, layout) for part in parts]
    return [(part, layout) for part in parts]


def _split(table: Table, number: int) -> list[Table]:
    """The metrics of a table in several tables. Only the first one has the other columns."""
    bounds = [k * len(table.metrics) // number for k in range(number + 1)]

    def part(start: int, stop: int) -> Table:
        def cut(line: Line) -> Line:
            return replace(line, cells=line.cells[start:stop], details=[] if start else line.details)

        measured, literature = (list(map(cut, lines)) for lines in (table.measured, table.literature))
        details = [] if start else table.details
        return replace(
            table, metrics=table.metrics[start:stop], details=details, measured=measured, literature=literature
        )

    return list(itertools.starmap(part, itertools.pairwise(bounds)))


def _interval(cell: Cell, layout: Layout) -> str:
    """The interval in the layout's form, after a space."""
    interval = {"ends": cell.interval, "half": cell.half_width, "none": ""}[layout.intervals]
    return f" {interval}" if interval else ""


def _headers(table: Table, layout: Layout) -> list[str]:
    """The names of the metrics. Columns with intervals say so."""
    with_interval = [any(line.cells[k].interval for line in table.lines) for k in range(len(table.metrics))]
    suffix = {"ends": " [95 %]", "half": " ±95 %", "none": ""}[layout.intervals]
    return [metric + suffix * shown for metric, shown in zip(table.metrics, with_interval, strict=True)]


def _folded(name: str, layout: Layout) -> str:
    """A name on as many lines as the layout needs. A mark after the name stays with its last word."""
    if not layout.name:
        return name
    tied = re.sub(r" (?=[*§†‡])", "\N{NO-BREAK SPACE}", name)
    lines = textwrap.wrap(tied, layout.name, break_on_hyphens=False, break_long_words=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _folded_source(source: str) -> str:
    """An address on lines that end after a slash or a word."""
    lines = [""]
    for part in re.findall(r"[^/ ]+[/ ]*", source):
        if lines[-1] and len((lines[-1] + part).rstrip()) > SOURCE_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _detail(name: str, text: str, layout: Layout) -> str:
    """The text of a detail, folded where it can be long."""
    if layout.folded and name == "source":
        return _folded_source(text)
    return "\n".join(textwrap.wrap(text, CLIPS_WIDTH)) if layout.folded and name == "clips" else text


def _plain(text: str, mark: Mark = "") -> str:
    return text


def _rows(table: Table, layout: Layout, styled: Callable[..., str] = _plain) -> list[list[str]]:
    """The texts of all cells, header first. A text can have several lines. `styled(text, mark)` gives the final texts."""
    details = [place for place, name in enumerate(table.details) if layout.costs or name not in COSTS]
    rows = [list(map(styled, ["method", *_headers(table, layout), *(table.details[k] for k in details)]))]
    for line in table.lines:
        cells = [styled(cell.value, cell.mark) + styled(_interval(cell, layout)) for cell in line.cells]
        texts = [_folded(line.name, layout), *(_detail(table.details[k], line.details[k], layout) for k in details)]
        name, *others = map(styled, texts)
        rows.append([name, *cells, *others])
    return rows


def _width(table: Table, layout: Layout) -> int:
    columns = zip(*_rows(table, layout), strict=True)
    return sum(max(len(part) for text in column for part in text.split("\n")) + 3 for column in columns) + 1


def _grid(table: Table, layout: Layout) -> Grid:
    from rich.markup import escape
    from rich.table import Table as Grid

    def marked(text: str, mark: Mark = "") -> str:
        return f"[{STYLES[mark]}]{escape(text)}[/]" if mark else escape(text)

    grid = Grid(header_style="bold")
    header, *body = _rows(table, layout, marked)
    for name in header:
        grid.add_column(name, justify="left" if name in ("method", *WORDS) else "right", no_wrap=True)
    for number, texts in enumerate(body):
        if number == len(table.measured) > 0:
            grid.add_section()
        grid.add_row(*texts)
    return grid


def _layout_notes(table: Table, parts: Sequence[tuple[Table, Layout]]) -> list[str]:
    """Notes on what the terminal's width left out."""
    layouts = [layout for _, layout in parts]
    missing = [name for name in COSTS if name in table.details and not all(layout.costs for layout in layouts)]
    has_intervals = any(cell.interval for line in table.lines for cell in line.cells)
    forms = {layout.intervals for layout in layouts if has_intervals}
    missing += ["95 % intervals"] * ("none" in forms)
    notes = [f"Left out at this width: {', '.join(missing)}."] if missing else []
    return notes + ["±: half the width of the 95 % interval."] * ("half" in forms)


def markdown(table: Table) -> str:
    """The table as Markdown. The best value is bold."""

    def bold(text: str, mark: Mark = "") -> str:
        return f"**{text}**" if mark == "best" else text

    header, *body = _rows(table, Layout(folded=False), bold)
    ruled = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    lines = [table.title.replace("\n", "  \n"), "", *map(_line, ruled)]
    return "\n".join([*lines, *("\n" + note for note in table.notes)])


def latex(table: Table) -> str:
    """The table for LaTeX with booktabs: best value bold, second best underlined. Its caption holds title and notes.

    Published methods have a citation with their BibTeX key.
    """
    styles = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}
    header = ["Method", *(_tex(name) for name in table.metrics), *(_tex(name) for name in table.details)]
    aligned = "".join("l" if name in WORDS else "r" for name in (*table.metrics, *table.details))
    lines = [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += [rf"\begin{{tabular}}{{l{aligned}}}", r"\toprule", " & ".join(header) + r" \\"]
    for part in (table.measured, table.literature):
        lines += [r"\midrule"] if part else []
        for line in part:
            name = _tex(line.name) + (rf"~\cite{{{line.key}}}" if line.key else "")
            values = [styles[cell.mark] % _tex(cell.value) for cell in line.cells]
            intervals = [rf" {{\scriptsize {cell.interval}}}" if cell.interval else "" for cell in line.cells]
            cells = [value + interval for value, interval in zip(values, intervals, strict=True)]
            lines.append(" & ".join([name, *cells, *map(_tex, line.details)]) + r" \\")
    caption = [*table.title.split("\n"), "Brackets: 95 % bootstrap interval over clips", *table.notes]
    text = " ".join(_tex(sentence if sentence.endswith(".") else f"{sentence}.") for sentence in caption)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", rf"\caption{{{text}}}", r"\end{table}"])


def as_csv(records: Sequence[dict[str, Any]]) -> str:
    """Records as CSV with a header. Settings are JSON in one column."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: json.dumps(value) if isinstance(value, dict) else value for key, value in record.items()})
    return text.getvalue()


def as_json(records: Sequence[dict[str, Any]]) -> str:
    """Records as a JSON list."""
    return json.dumps(records, ensure_ascii=False, indent=2)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tex(text: str) -> str:
    plain = "".join(TEX.get(character, character) for character in text)
    return r"$\delta_{\mathrm{avg}}$" if text == "δ_avg" else plain
