"""What a run is: its identity decides its folder, its record says where its numbers came from."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgmae_bench import config, plugins, provenance
from vgmae_bench.config import Json
from vgmae_bench.errors import StorageError, UnknownNameError, WeightsError
from vgmae_bench.evaluation.protocols import EvalProtocol
from vgmae_bench.evaluation.store import FORMAT, RunFolder
from vgmae_bench.files import file_digest

UNTRAINED = "random"
"""In place of the name of weights: the method untrained, to compare with."""


@dataclass(frozen=True)
class Weights:
    """A weights file: how it is called and its SHA-256."""

    name: str
    sha256: str
    path: Path

    @classmethod
    def find(cls, plugin: plugins.Plugin, asked: str | None) -> Weights | None:
        """The weights a user asked for: a name the method declares, or a file. None asked: its default ones, if any.

        "random" asks for none, where a method has default ones.

        Raises:
            WeightsError: neither a declared name nor a readable file.
        """
        named = dict(plugin.spec.weights)
        chosen = asked if asked is not None else plugin.spec.default_weights
        if chosen is None or chosen == UNTRAINED:
            return None
        path = plugins.beside(plugin, named[chosen]) if chosen in named else Path(chosen)
        if not path.is_file():
            names = ", ".join(named) or "none"
            raise WeightsError(
                f'There are no weights "{chosen}"',
                f"it is neither a file nor a name known to {plugin.name} (which are: {names})",
                try_=f"vgmae-bench show {plugin.name}",
            )
        return cls(chosen if chosen in named else path.stem, file_digest(path), path)


@dataclass(frozen=True)
class Identity:
    """Everything that predictions depend on. Two runs with the same identity share a folder and its predictions.

    Attributes:
        method, method_config: the tracker and its settings.
        method_source: SHA-256 of the file, for a tracker from a file; None for an installed one.
        weights: their SHA-256; None without.
        dataset, dataset_digest, protocol: what it was asked.
        seed: given to trackers that take one.
    """

    method: str
    method_config: Json
    method_source: str | None
    weights: str | None
    dataset: str
    dataset_digest: str
    protocol: EvalProtocol
    seed: int

    @property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON of the identity."""
        return config.digest(self)

    def folder(self, root: Path, weights_name: str | None) -> RunFolder:
        """Where the run lies below the results folder."""
        method = f"{self.method}.{weights_name}" if weights_name else self.method
        return RunFolder(root / f"{self.dataset}-{self.protocol.name}" / method / self.key[:8])


def write_record(folder: RunFolder, identity: Identity, details: dict[str, Json], device: str, command: str) -> None:
    """Write record.json, or add this process to it where it is already there with other code or another machine.

    Raises:
        StorageError: the folder belongs to another identity (equal first digits of two keys).
    """
    session = provenance.collect(device) | {"command": command}
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        record = folder.read_json("record.json")
    except FileNotFoundError:
        record = {
            "format": FORMAT,
            "key": identity.key,
            "identity": config.to_json(identity),
            "protocol_digest": identity.protocol.digest(identity.dataset_digest),
            **details,
            "sessions": [],
        }
    if record["key"] != identity.key:
        raise StorageError(f"{folder.path} belongs to another run", "its record has another key", try_="--out DIR")
    if all({k: v for k, v in known.items() if k != "started"} != session for known in record["sessions"]):
        record["sessions"].append({"started": started, **session})
        folder.write_json("record.json", record)


def all_runs(root: Path) -> Iterator[RunFolder]:
    """Every run of a results folder by path, then those that came with the project, in `root/reference`."""
    for pattern in ("*/*/*/record.json", "reference/*/*/*/record.json"):
        for record in sorted(root.glob(pattern)):
            yield RunFolder(record.parent)


def find_run(root: Path, name: str) -> RunFolder:
    """The run of that folder, or whose key begins with `name`.

    Raises:
        UnknownNameError: none, or several.
    """
    if (Path(name) / "record.json").is_file():
        return RunFolder(Path(name))
    found = [run for run in all_runs(root) if run.path.name.startswith(name) or str(run.path).endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    problem = f"There is no run {name}" if not found else f'"{name}" fits {len(found)} runs'
    raise UnknownNameError(problem, f"looked in {root}", try_=f"vgmae-bench list runs --results {root}")


def read_summary(run: RunFolder) -> dict[str, Any] | None:
    """summary.json of a run, or None where nothing has been scored yet."""
    try:
        return run.read_json("summary.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return None
