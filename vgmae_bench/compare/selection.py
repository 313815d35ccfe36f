"""Selects the runs to compare, from records. It needs neither torch nor predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from vgmae_bench.compare.row import Row
from vgmae_bench.errors import BadDataError, UnknownNameError, UsageError
from vgmae_bench.evaluation.store import RECORD, RunFolder, all_runs
from vgmae_bench.plugins import did_you_mean

_log = logging.getLogger(__name__)

RUN_FIRST = "vgmae-bench run --method lucas-kanade --dataset synth"
Names = str | Sequence[str]
"""One name or several; none stands for all."""


def select_runs(
    results: Path,
    names: Sequence[str] = (),
    dataset: Names = (),
    method: Names = (),
    protocol: Names = (),
    *,
    incomplete: bool = False,
) -> list[Row]:
    """Select scored runs by name. Without names, select all complete ones in `results`, sorted by path.

    Arguments:
        results: the results folder. Runs in `results/reference` are included, unless `results` itself has the same run.
        names: folders of runs, first digits of keys, or names of methods with one run.
        dataset, method, protocol: keep only runs with one of these names.
        incomplete: accept runs that lack clips (--limit, failures, unfinished).

    Raises:
        UnknownNameError: a name of a run fits none or several, another name fits none, or no run is left.
        UsageError: a named run lacks clips and `incomplete` is not set.
        BadDataError: a named run's record is damaged.
    """
    fitting = _fitting(results, dataset, method, protocol)
    if names:
        rows = [_only(name, fitting, results) for name in names]
        rows = list({row.run.path.resolve(): row for row in rows}.values())
        _refuse_incomplete([] if incomplete else rows)
        return rows
    lacking = [row for row in fitting if not (incomplete or row.complete)]
    for row in lacking:
        _log.warning(f"left out: {row.run.path} is incomplete, {row.clips} clips (--allow-incomplete takes it)")
    rows = [row for row in fitting if incomplete or row.complete]
    if not rows:
        why = f"{len(lacking)} incomplete ones in {results} were left out" if lacking else f"looked in {results}"
        raise UnknownNameError("No run fits", why, try_="--allow-incomplete" if lacking else RUN_FIRST)
    return rows


def select_pair(
    results: Path,
    names: tuple[str, str],
    dataset: Names = (),
    protocol: Names = (),
    *,
    incomplete: bool = False,
) -> tuple[Row, Row]:
    """Select two different runs on the same queries. Names work as in `select_runs`. Exactly one pair must fit.

    Raises:
        UnknownNameError: a name fits no run, or several pairs fit.
        UsageError: the runs have different queries, are the same run, or lack clips and `incomplete` is not set.
        BadDataError: a named run's record is damaged.
    """
    scored = _fitting(results, dataset, (), protocol)
    firsts, seconds = (_known(name, scored, results) for name in names)
    different = [(a, b) for a in firsts for b in seconds if a.run.path.resolve() != b.run.path.resolve()]
    pairs = [(a, b) for a, b in different if a.protocol_digest == b.protocol_digest]
    if len(pairs) > 1:
        text = "; ".join(f"{a.run.path.name} and {b.run.path.name} ({a.dataset}, {a.protocol})" for a, b in pairs)
        raise UnknownNameError(
            f'"{names[0]}" and "{names[1]}" fit {len(pairs)} pairs of runs', text, try_="--dataset, --protocol, or keys"
        )
    if different and not pairs:
        a, b = different[0]
        raise UsageError(
            f"{a.method} and {b.method} have different queries",
            f"{a.title}; {b.title}",
            try_="vgmae-bench list runs",
        )
    if not pairs:
        raise UsageError(f'"{names[0]}" and "{names[1]}" are the same run', "a comparison needs two")
    _refuse_incomplete([] if incomplete else pairs[0])
    return pairs[0]


def candidates(name: str, rows: Iterable[Row]) -> list[Row]:
    """The runs that a name can mean: a folder, the first digits of a key, or a method with or without its weights."""
    folder = Path(name)
    if (folder / RECORD).is_file():
        return _load(RunFolder(folder))
    rows = list(rows)
    methods = [row for row in rows if name in _names(row)]
    return methods or [
        row for row in rows if row.record.key.startswith(name) or f"/{row.run.path}".endswith(f"/{name}")
    ]


def by_protocol(rows: Iterable[Row]) -> list[list[Row]]:
    """Group runs by protocol and data. Numbers within a group are comparable."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.protocol_digest, []).append(row)
    return list(groups.values())


def _refuse_incomplete(rows: Iterable[Row]) -> None:
    for row in rows:
        if not row.complete:
            raise UsageError(
                f"{row.run.path} is incomplete",
                f"{row.clips} clips of {row.method} have been scored",
                try_="the same run again without --limit, or --allow-incomplete, which marks it",
            )


def _scored(results: Path) -> list[Row]:
    """Every scored run below `results`, each once."""
    rows: dict[str, Row] = {}
    for folder in all_runs(results):
        try:
            for row in _load(folder):
                # A user's run comes before the same run in the reference.
                known = rows.setdefault(row.record.key, row)
                if row.complete and not known.complete:
                    rows[row.record.key] = row
        except BadDataError as error:
            _log.warning(f"left out: {error.reason}")
    return list(rows.values())


def _load(folder: RunFolder) -> list[Row]:
    """A run, or nothing if it has no scores. Raises BadDataError if its files are damaged."""
    record, summary = folder.record(), folder.summary()
    return [Row(folder, record, summary)] if summary else []


def _fitting(results: Path, dataset: Names, method: Names, protocol: Names) -> list[Row]:
    """Scored runs with these names. Raises UnknownNameError for a name that no run has: a table without it misleads."""
    rows = _scored(results)
    for relation, asked, names_of in (
        ("on", dataset, lambda row: [row.record.dataset.name]),
        ("under", protocol, lambda row: [row.protocol]),
        ("of", method, _names),
    ):
        wanted = listed(asked)
        known = list(dict.fromkeys(names_of(row)[-1] for row in rows))
        for name in wanted:
            if known and not any(name in names_of(row) for row in rows):
                why = did_you_mean(name, known) or f"{results} has runs {relation} {', '.join(known)}"
                raise UnknownNameError(f'No run fits "{name}"', why, try_=f"vgmae-bench list runs --results {results}")
        rows = [row for row in rows if not wanted or set(wanted) & set(names_of(row))]
    return rows


def listed(names: Names) -> Sequence[str]:
    """Names as a sequence."""
    return [names] if isinstance(names, str) else names


def _names(row: Row) -> list[str]:
    """The names of a run's method: with and without its weights, and that of its folder."""
    return [row.record.method.name, row.run.path.parent.name, row.method]


def _known(name: str, rows: Sequence[Row], results: Path) -> list[Row]:
    if found := candidates(name, rows):
        return found
    listing = f"vgmae-bench list runs --results {results}"
    raise UnknownNameError(f'There is no scored run "{name}"', f"looked in {results}", try_=listing)


def _only(name: str, rows: Sequence[Row], results: Path) -> Row:
    found = _known(name, rows, results)
    if len(found) == 1:
        return found[0]
    text = ", ".join(f"{row.run.path.name} ({row.dataset}, {row.protocol})" for row in found)
    raise UnknownNameError(
        f'"{name}" fits {len(found)} runs', text, try_="--dataset, --protocol, or a key's first digits"
    )
