"""Which runs are compared, and their scores by clip: read from committed records, without torch and without predictions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgmae_bench.errors import BadDataError, UnknownNameError, UsageError
from vgmae_bench.plugins import did_you_mean
from vgmae_bench.runs.record import all_runs, read_summary
from vgmae_bench.runs.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = {"average_jaccard": "AJ", "average_pts_within_thresh": "δ_avg", "occlusion_accuracy": "OA"}
"""The metrics of every table: their names in the records, and what the field calls them."""

RUN_FIRST = "vgmae-bench run --method lucas-kanade --dataset synth"


@dataclass(frozen=True)
class Row:
    """One scored run.

    Attributes:
        run: its folder.
        record, summary: its record.json and summary.json.
    """

    run: RunFolder
    record: dict[str, Any]
    summary: dict[str, Any]

    @property
    def method(self) -> str:
        """The method with its weights and its note: "videogmae (tiny)"."""
        identity = self.record["identity"]
        details = [self.record.get("weights_name") or "", self.record.get("note") or ""]
        told = ", ".join(detail for detail in details if detail)
        return f"{identity['method']} ({told})" if told else str(identity["method"])

    @property
    def dataset(self) -> str:
        """The dataset's name, and the settings it was opened with where they are not its usual ones."""
        settings = self.record.get("dataset_settings") or {}
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        return f"{self.record['identity']['dataset']} ({told})" if told else str(self.record["identity"]["dataset"])

    @property
    def protocol(self) -> str:
        """The protocol's name, for instance "tapvid-first"."""
        return str(self.record["identity"]["protocol"]["name"])

    @property
    def protocol_digest(self) -> str:
        """Equal for runs whose numbers compare: the same protocol on the same data."""
        return str(self.record["protocol_digest"])

    @property
    def title(self) -> str:
        """Dataset and protocol in one line."""
        return f"{self.dataset}, {self.record['protocol_sentence']}"

    @property
    def complete(self) -> bool:
        """Whether every clip that asks anything has been scored; False for runs with --limit, and where clips failed."""
        clips = self.summary["clips"]
        return bool(clips["scored"] + clips["without_queries"] >= clips["expected"])

    @property
    def clips(self) -> str:
        """ "30", or "28 of 30" with the reason where clips are missing."""
        clips = self.summary["clips"]
        if clips["scored"] == clips["expected"]:
            return str(clips["scored"])
        why = f", {clips['failed']} failed" if clips["failed"] else ""
        return f"{clips['scored']} of {clips['expected']}{why}"

    @property
    def milliseconds_per_frame(self) -> float:
        return 1000 * float(self.summary["seconds"]) / max(1, int(self.summary["frames"]))

    def values(self, metric: str) -> tuple[float, float, float]:
        """(mean, low, high) in percent, with the ends of the 95 % interval; NaN where there is none."""
        value = self.summary["metrics"].get(metric)
        if value is None:
            return math.nan, math.nan, math.nan
        numbers = (value["mean"], *value["ci95"])
        mean, low, high = (math.nan if number is None else 100 * number for number in numbers)
        return mean, low, high

    @cached_property
    def questions(self) -> pd.DataFrame:
        """metrics.csv: a row a question, with `clip`, `question`, `frames`, `queries`, `seconds` and the metrics (fractions).

        Raises:
            BadDataError: it is missing or damaged.
        """
        import pandas as pd

        path = self.run.path / "metrics.csv"
        try:
            # Clips are called "007" or "NA" as they like, hence read as text.
            table = pd.read_csv(path, converters={"clip": str}, float_precision="round_trip")
        except (OSError, ValueError) as error:
            raise BadDataError(f"{path} cannot be read", str(error), try_="git checkout, or the run again") from error
        if missing := {"clip", "question"} - set(table):
            raise BadDataError(f"{path} is no table of scores", f"it has no column {', '.join(sorted(missing))}")
        return table


def select_runs(
    out: Path,
    names: Sequence[str] = (),
    dataset: str | None = None,
    method: Sequence[str] = (),
    protocol: str | None = None,
    *,
    incomplete: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Scored runs, by path: those that are named, or without names every complete one below `out`.

    Arguments:
        out: the results folder; runs in `out/reference` are found as well, unless the same run lies in `out` itself.
        names: folders of runs, first digits of keys, or names of methods that only one run fits.
        dataset, method, protocol: keep only runs on, of, and under these.
        incomplete: accept runs that lack clips (--limit, failures, not finished).
        say: told of runs that were left out.

    Raises:
        UnknownNameError: a name fits no run or several, or nothing is left.
        UsageError: a named run lacks clips and `incomplete` is not set.
        BadDataError: a named run's record is damaged.
    """
    fitting = [row for row in _scored(out, say) if _fits(row, dataset, method, protocol)]
    if names:
        rows = [_only(name, candidates(name, fitting), out) for name in names]
        rows = list({row.run.path.resolve(): row for row in rows}.values())
        for row in rows:
            if not (incomplete or row.complete):
                raise UsageError(
                    f"{row.run.path} is incomplete",
                    f"{row.clips} clips of {row.method} have been scored",
                    try_="the same run again without --limit, or --allow-incomplete, which marks it",
                )
        return rows
    lacking = [row for row in fitting if not (incomplete or row.complete)]
    for row in lacking:
        say(f"left out: {row.run.path} is incomplete, {row.clips} clips (--allow-incomplete takes it)")
    rows = [row for row in fitting if incomplete or row.complete]
    if not rows:
        why = f"{len(lacking)} incomplete ones in {out} were left out" if lacking else f"looked in {out}"
        raise UnknownNameError("No run fits", why, try_="--allow-incomplete" if lacking else RUN_FIRST)
    return rows


def clip_values(row: Row, metric: str) -> dict[str, float]:
    """The metric by clip, as a fraction: the mean over the clip's questions that have a value, NaN where none has.

    Raises:
        UnknownNameError: the run has no such metric.
        BadDataError: metrics.csv is missing or damaged.
    """
    check_metric(row, metric)
    means = row.questions.groupby("clip", sort=False)[metric].mean()
    return {str(clip): float(value) for clip, value in means.items()}


def check_metric(row: Row, metric: str) -> None:
    """Raise UnknownNameError unless the run has been scored by `metric`."""
    known = list(row.summary["metrics"])
    if metric not in known or metric not in row.questions:
        why = did_you_mean(metric, known) or "it has: " + ", ".join(known)
        raise UnknownNameError(f'{row.run.path} has no metric "{metric}"', why)


def load_runs(folders: Iterable[RunFolder]) -> list[Row]:
    """Runs that have been scored; the others are left out.

    Raises:
        BadDataError: a record is damaged.
    """
    return [row for folder in folders if (row := _load(folder)) is not None]


def candidates(name: str, rows: Iterable[Row]) -> list[Row]:
    """The runs that a name may stand for: a folder, the first digits of a key, a method with or without its weights."""
    folder = Path(name)
    if (folder / "record.json").is_file():
        row = _load(RunFolder(folder))
        return [row] if row else []
    rows = list(rows)
    methods = [row for row in rows if name in (row.record["identity"]["method"], row.run.path.parent.name, row.method)]
    return methods or [
        row for row in rows if row.record["key"].startswith(name) or f"/{row.run.path}".endswith(f"/{name}")
    ]


def by_protocol(rows: Iterable[Row]) -> list[list[Row]]:
    """Runs in groups whose numbers compare: the same protocol on the same data."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.protocol_digest, []).append(row)
    return list(groups.values())


def _scored(out: Path, say: Callable[[str], None]) -> list[Row]:
    """Every scored run below `out`, each once."""
    rows: dict[str, Row] = {}
    for folder in all_runs(out):
        try:
            row = _load(folder)
        except BadDataError as error:
            say(f"left out: {error.what}: {error.why}")
            continue
        if row is not None:
            rows.setdefault(row.record["key"], row)  # one's own comes before the reference's
    return list(rows.values())


def _load(folder: RunFolder) -> Row | None:
    """A run, or None where it has not been scored."""
    try:
        record = folder.read_json("record.json")
        identity = record["identity"]
        needed = [record["key"], record["protocol_digest"], identity["dataset"], identity["method"]]
        sound = all(isinstance(value, str) for value in [*needed, identity["protocol"]["name"]])
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise BadDataError(f"{folder.path}/record.json is damaged", f"{type(error).__name__}: {error}") from error
    if not sound:
        raise BadDataError(f"{folder.path}/record.json is damaged", "names and digests must be text")
    summary = read_summary(folder)
    return None if summary is None else Row(folder, record, summary)


def _fits(row: Row, dataset: str | None, method: Sequence[str], protocol: str | None) -> bool:
    named = (row.record["identity"]["method"], row.run.path.parent.name, row.method)
    return (
        dataset in (None, row.record["identity"]["dataset"])
        and protocol in (None, row.protocol)
        and (not method or any(name in method for name in named))
    )


def _only(name: str, found: Sequence[Row], out: Path) -> Row:
    if len(found) == 1:
        return found[0]
    listing = f"vgmae-bench list runs --out {out}"
    if not found:
        raise UnknownNameError(f'There is no scored run "{name}"', f"looked in {out}", try_=listing)
    told = ", ".join(f"{row.run.path.name} ({row.dataset}, {row.protocol})" for row in found)
    raise UnknownNameError(
        f'"{name}" fits {len(found)} runs', told, try_="--dataset, --protocol, or a key's first digits"
    )
