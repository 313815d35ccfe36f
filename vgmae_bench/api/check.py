"""`vgmae_bench.check`: checks whether a tracker, a dataset or a metric keeps its contract."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from vgmae_bench import config, plugins
from vgmae_bench.api.objects import AnyDataset, AnyMethod, dataset_of, method_of, name_of
from vgmae_bench.conformance.cost import cost as measure_cost
from vgmae_bench.conformance.datasets import check_dataset
from vgmae_bench.conformance.findings import Finding, Kind, Report
from vgmae_bench.conformance.metrics import check_metric
from vgmae_bench.conformance.probe import Probe
from vgmae_bench.conformance.trackers import CHECKS, check_tracker
from vgmae_bench.data.dataset import OpenedDataset
from vgmae_bench.errors import PluginError, UnknownNameError, UsageError
from vgmae_bench.evaluation.method import UNTRAINED, Method
from vgmae_bench.specs import DatasetSpec, MethodSpec, MetricSpec
from vgmae_bench.types.tracks import SaysLookahead

_KINDS: dict[Kind, plugins.Kind] = {"tracker": "methods", "dataset": "datasets", "metric": "metrics"}
_SPECS: dict[Kind, type[Any]] = {"tracker": MethodSpec, "dataset": DatasetSpec, "metric": MetricSpec}


def check(
    thing: AnyMethod | AnyDataset | Callable[..., Any],
    *,
    kind: Kind | None = None,
    weights: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    declares: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    only: Sequence[str] = (),
    frames: int = 8,
    width: int = 128,
    cost: bool = True,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    begin: Callable[[str], None] = lambda name: None,
) -> Report:
    """Check a tracker, a dataset or a metric. Trackers and metrics need no data: clips are textures with known motion.

    `report = vb.check(MyTracker); assert report.passed, report` is a test of a plugin.

    Arguments:
        thing: a name, `file.py:Class`, a tracker or a class that makes one, a dataset, clips, or a metric's function.
        kind: the kind of thing; None: determined automatically.
        weights, device, seed: of a method, see `vgmae_bench.evaluate`.
        settings: of a method or a dataset.
        declares: fields of a SPEC, for things without one: {"causal": True}, or {"values": ("my_metric",)}.
        data_root: folder of the datasets; None: the default.
        only: names of checks of trackers, see `vgmae-bench check --help`; none: all.
        frames, width: number of frames and width in pixels of most clips for trackers.
        cost: also measure a tracker's time and memory.
        on_finding: called with each finding.
        begin: called with the name of each check of a tracker before it starts.

    Returns:
        The findings. Printing the report gives a line for each.

    Raises:
        UserError: the thing cannot be found or built.
    """
    found = kind or _kind_of(thing)
    given, declared = settings or {}, declares or {}
    if found == "tracker":
        if unknown := [name for name in only if name not in (*CHECKS, "cost")]:
            raise UnknownNameError(f'There is no check "{unknown[0]}"', f"there are: {', '.join(CHECKS)}, cost")
        asked: dict[str, Any] = {"weights": None if weights is None else str(weights), "settings": given, "seed": seed}
        method = method_of(cast(AnyMethod, thing), device=device, **asked)
        spec = dataclasses.replace(method.plugin.spec, **_as_built(method) | dict(declared))
        untrained = weights == UNTRAINED or "random weights" in method.used.note
        probe = Probe(method.tracker, spec, untrained, method.device, frames, width)
        again = {"name": thing, "device": method.device, **asked} if isinstance(thing, str) else None
        name, findings = method.used.name, _tracker(probe, only, begin, measure_cost(method, again, frames), cost)
    elif found == "dataset":
        name, findings = _dataset(cast(AnyDataset, thing), given, None if data_root is None else Path(data_root))
    else:
        name, findings = _metric(thing, declared)
    kept = []
    for finding in findings:
        on_finding(finding)
        kept.append(finding)
    return Report(found, name, kept)


def _as_built(method: Method) -> dict[str, Any]:
    """The fields of a SPEC that the built tracker overrides."""
    spec = method.plugin.spec
    lookahead = method.tracker.lookahead if isinstance(method.tracker, SaysLookahead) else None
    told: dict[str, Any] = {"queries": method.how.queries}
    if (method.how.direction == "forward") != spec.looks_forward:
        told["direction"] = method.how.direction
    return told | ({"lookahead": lookahead} if isinstance(lookahead, int) or lookahead == "all" else {})


def _tracker(
    probe: Probe, only: Sequence[str], begin: Callable[[str], None], costs: Iterator[Finding], cost: bool
) -> Iterator[Finding]:
    """The findings of the checks in `only`, or of all. `costs` are the findings of the check of costs, if `cost` is set."""
    names = [name for name in only if name != "cost"]
    broken = False
    if names or not only:
        for finding in check_tracker(probe, names, begin=begin):
            broken |= finding.check == "shapes" and finding.verdict == "fault"
            yield finding
    if (cost and not only and not broken) or "cost" in only:
        begin("cost")
        yield from costs


def _dataset(thing: AnyDataset, settings: Mapping[str, Any], root: Path | None) -> tuple[str, Iterator[Finding]]:
    from vgmae_bench.data.verify import paths

    if isinstance(thing, str):
        plugin = plugins.find("datasets", thing)
        factory: Any = plugins.load(plugin)
        name = plugin.name
        if plugin.spec.location and not paths(thing, root):  # opening it would download it
            told = f"cannot tell: its files are not here (vgmae-bench data fetch {name})"
            return name, iter([Finding("opens", "info", told)])
    else:
        factory = thing if inspect.isclass(thing) else None
        name = name_of(thing)

    def open_with(chosen: Mapping[str, Any]) -> OpenedDataset:
        if isinstance(thing, str) or factory is None:
            return dataset_of(thing, settings=chosen, data_root=root)
        try:
            made, _ = config.call_with(factory, chosen, owner=name, root=root, prepared=None)
        except Exception as error:  # a plugin's constructor can raise any error
            raise PluginError(f"{name} could not be opened", f"{type(error).__name__}: {error}") from error
        return dataset_of(made)

    return name, check_dataset(open_with, settings, config.config_of(factory) if factory is not None else None)


def _metric(thing: Any, declares: Mapping[str, Any]) -> tuple[str, Iterator[Finding]]:
    if isinstance(thing, str):
        plugin = plugins.find("metrics", thing)
        spec, compute = plugin.spec, plugins.load(plugin)
    else:
        compute = thing
        spec = MetricSpec(getattr(thing, "__name__", type(thing).__name__), "", "from a Python session")
    return spec.name, check_metric(compute, dataclasses.replace(spec, **declares))


def _kind_of(thing: Any) -> Kind:
    """The kind of a thing, from its name or its attributes.

    Raises:
        UnknownNameError: no plugin has this name.
        UsageError: the thing is not a tracker, a dataset or a metric.
    """
    if isinstance(thing, str) and not plugins.is_file_reference(thing):
        known = {kind: {plugin.name for plugin in plugins.installed(group)} for kind, group in _KINDS.items()}
        found = [kind for kind, names in known.items() if thing in names]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f'"{thing}" is a {" and a ".join(found)}', "say which one", try_=f"--kind {found[0]}")
        everything = set().union(*known.values())
        raise UnknownNameError(
            f'There is no method, dataset or metric "{thing}"',
            plugins.did_you_mean(thing, everything) or "a thing from a file looks like ./my_tracker.py:MyTracker",
            try_="vgmae-bench list methods",
        )
    part = thing
    if isinstance(thing, str):
        plugin = plugins.find("methods", thing)
        module = importlib.import_module(plugin.module)
        attribute = thing.rpartition(":")[2]
        part = getattr(module, attribute)
        spec = vars(module).get("SPEC")
        for kind, spec_type in _SPECS.items():
            if isinstance(spec, spec_type) and attribute in (
                getattr(spec, "factory", None) or spec.tracker or ""
            ).split(":"):
                return kind
    if hasattr(part, "track"):
        return "tracker"
    if hasattr(part, "clip") or isinstance(part, Sequence):
        return "dataset"
    if callable(part):
        return "metric" if not inspect.isclass(part) else "tracker"
    raise UsageError(
        f"A {type(part).__name__} cannot be checked", "it is no tracker, dataset or metric", try_="--kind tracker"
    )
