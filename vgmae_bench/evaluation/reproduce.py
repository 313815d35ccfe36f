"""Executes a run again from its record and reports the differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vgmae_bench import config, plugins
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import BadDataError, UsageError, WeightsError
from vgmae_bench.evaluation import protocols
from vgmae_bench.evaluation.method import UNTRAINED, Weights, open_method
from vgmae_bench.evaluation.records.others import Change, MetricChange, PositionChange, Reproduction
from vgmae_bench.evaluation.records.results import SESSION_SOURCE, Record, identity
from vgmae_bench.evaluation.run import Plan, execute, plan_of
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.files import file_digest
from vgmae_bench.specs import RemoteWeights


def plan_again(
    run: RunFolder,
    out: Path,
    *,
    method_file: str | None = None,
    weights_file: Path | None = None,
    data_root: Path | None = None,
    limit: int | None = None,
    device: str = "auto",
) -> Plan:
    """A plan with the method, settings, weights, data, protocol and seed of a run's record.

    Arguments:
        run: the run's folder. Only its record.json is needed.
        out: the results folder of the repetition. It must differ from the one that holds the run.
        method_file: `path.py:Attribute`, for a tracker from a file, because records hold no paths.
        weights_file: the weights file, if the method does not ship it.
        data_root, limit, device: as for a run.

    Raises:
        UsageError: the run has predictions of another program, the protocol has changed, or `out` holds the run.
        WeightsError: the weights are not here.
        BadDataError: the data or the tracker's file differ from the run's.
    """
    record = run.record()
    method, dataset = record.method, record.dataset
    if record.external:
        file = record.external.file
        raise UsageError(
            f"{run.path} was not executed here",
            f"its predictions were read from {file}",
            try_=f"vgmae-bench score --predictions {file} --dataset {dataset.name}",
        )
    name = method_file or method.name
    if method.source and method.source.startswith(SESSION_SOURCE):
        raise UsageError(f"{method.name} was defined in a Python session", "its record cannot build it again")
    if method.source and not method_file:
        raise UsageError(f"{method.name} came from a file", "records keep no paths", try_="--method path.py:Class")
    protocol = protocols.find(record.protocol.name, None)
    if changed := differences([config.to_json(record.protocol)], config.to_json(protocol)):
        what = "; ".join(f"{change.what} was {change.then}, is {change.now}" for change in changed)
        raise UsageError(f"The protocol {protocol.name} has changed", what, try_=_checkout(record))
    weights = _weights(name, record, weights_file)
    given: dict[str, Any] = {"settings": method.settings, "seed": method.seed, "ask": method.ask}
    opened_method = open_method(name, weights=weights, device=device, **given)
    opened = open_dataset(dataset.name, dataset.settings, data_root)
    planned = plan_of(opened_method, opened, protocol, out=out, limit=limit)
    if planned.record.method.source != method.source:
        raise BadDataError(f"{name} is not the tracker of the run", "its file has another SHA-256")
    if planned.record.dataset.digest != dataset.digest:
        raise BadDataError(
            f"The data of {dataset.name} are not those of the run",
            f"their digest is {planned.record.dataset.digest[:8]}, it was {dataset.digest[:8]}",
            try_=f"vgmae-bench data verify {dataset.name}, or {_checkout(record)}",
        )
    if planned.folder.path.resolve() == run.path.resolve():
        what = "A run cannot be reproduced inside its own results folder"
        raise UsageError(what, f"{out} holds it", try_="--out DIR")
    return planned


def reproduce(run: RunFolder, planned: Plan, *, tolerance: float = 0.0, command: str = "") -> Reproduction:
    """Execute a plan of `plan_again` from its first clip, and compare the result with the run.

    Arguments:
        tolerance: the largest difference of a clip's metric that counts as equal: a fraction, or pixels for metrics in
            pixels.
        command: the command line, for the record.

    Returns:
        The content of reproduction.json in the new run.

    Raises:
        BadDataError: the run has no metrics.csv, or none of its clips was executed.
        StorageError: results cannot be written.
    """
    then = _metrics(run)
    execute(planned, redo="all", figures=0, command=command, allow_nonfinite=True)
    now = _metrics(planned.folder)
    expected = then[then.index.get_level_values("clip").isin(planned.share)]
    common = expected.index.intersection(now.index)
    if not len(common):
        raise BadDataError(f"Nothing of {run.path} can be compared", "none of its clips was executed again")
    metrics = _largest(then.loc[common], now.loc[common])
    missing = sorted({clip for clip, _ in expected.index.difference(now.index)})
    record, again = run.record(), planned.folder.record()
    offs = [change.largest for change in metrics.values()]
    result = Reproduction(
        run=str(run.path),
        reproduced=str(planned.folder.path),
        equal=not missing and all(off is not None and off <= tolerance for off in offs),
        tolerance=tolerance,
        clips=len({clip for clip, _ in common}),
        missing=missing,
        metrics=metrics,
        positions=_positions(run, planned.folder, planned.share),
        environment=differences(
            [config.to_json(session) for session in record.sessions], config.to_json(again.sessions[-1])
        ),
        configuration=differences(
            [identity(record.method, record.dataset, record.protocol)],
            identity(again.method, again.dataset, again.protocol),
        ),
    )
    result.write(planned.folder.path / "reproduction.json")
    return result


def differences(then: Sequence[Any], now: Any) -> list[Change]:
    """The entries whose values differ between the JSON objects `then` and the JSON object `now`.

    The start time and the command of a session do not count.
    """
    *befores, after = (pd.json_normalize(value).to_dict("records")[0] for value in (*then, now))
    keys = dict.fromkeys(key for entries in (*befores, after) for key in entries)
    found: list[Change] = []
    for key in keys:
        values = list(dict.fromkeys(str(entries.get(key)) for entries in befores))
        if key not in ("started", "command") and values != [str(after.get(key))]:
            found.append(Change(str(key), ", ".join(values), str(after.get(key))))
    return found


def _metrics(run: RunFolder) -> pd.DataFrame:
    """Values by (clip, query set): the metrics, and the numbers of frames and queries."""
    try:
        table = pd.read_csv(run.path / "metrics.csv", dtype=str)  # pandas' default parser may round numbers
    except FileNotFoundError as error:
        raise BadDataError(f"{run.path} has not been scored", "it has no metrics.csv") from error
    return table.set_index(["clip", "question"]).drop(columns="seconds").astype(float)


def _largest(then: pd.DataFrame, now: pd.DataFrame) -> dict[str, MetricChange]:
    """The largest absolute difference of each column that both tables have, and its clip. Two NaNs are equal."""
    found: dict[str, MetricChange] = {}
    for name in [column for column in then.columns if column in now.columns]:
        before, after = then[name].to_numpy(float), now[name].to_numpy(float)
        off = np.where(np.isnan(before) & np.isnan(after), 0.0, np.abs(before - after))
        worst = int(np.argmax(off))  # NaN (only one of the two has a value) counts as the largest
        largest = None if np.isnan(off[worst]) else float(off[worst])
        found[name] = MetricChange(largest, str(then.index[worst][0]) if largest != 0 else None)
    return found


def _positions(run: RunFolder, again: RunFolder, clip_ids: Sequence[str]) -> PositionChange | None:
    """The largest distance in pixels of the tracker's input, over clips whose predictions are in both folders."""
    both = [clip_id for clip_id in clip_ids if run.has_prediction(clip_id) and again.has_prediction(clip_id)]
    if not both:
        return None
    largest, where, flips = 0.0, None, 0
    for clip_id in both:
        pairs = zip(run.read_prediction(clip_id), again.read_prediction(clip_id), strict=True)
        for (_, before), (_, after) in pairs:
            distance = float(np.linalg.norm(before.xy.astype(float) - after.xy, axis=-1).max(initial=0))
            flips += int((before.visible != after.visible).sum())
            if distance > largest:
                largest, where = distance, clip_id
    return PositionChange(largest, where, flips, len(both))


def _weights(method: str, record: Record, file: Path | None) -> str | None:
    """The value of `weights` that gives the weights of the run.

    Raises:
        WeightsError: the method does not ship them, and `file` does not hold them.
    """
    plugin = plugins.find("methods", method)
    weights = record.method.weights
    if weights is None:
        return UNTRAINED if plugin.spec.default_weights else None
    if file is not None:
        if not file.is_file() or file_digest(file) != weights.sha256:
            raise WeightsError(f"{file} does not hold the weights of the run", f"their SHA-256 is {weights.sha256}")
        return str(file)
    for name, where in plugin.spec.weights.items():
        if isinstance(where, RemoteWeights) and name != weights.name:
            continue  # it would be downloaded
        found = Weights.find(plugin, name)
        if found is not None and found.sha256 == weights.sha256:
            return found.name
    raise WeightsError(
        f'The weights "{weights.name}" of the run are not here',
        f"their SHA-256 is {weights.sha256}",
        try_=f"--weights FILE, or {_checkout(record)}",
    )


def _checkout(record: Record) -> str:
    commit = record.sessions[0].commit if record.sessions else None
    return f"git checkout {commit.id[:12]}" if commit else "the version of vgmae-bench of the run"
