"""The folder of a training: whose it is, what it holds.

record.json           what is trained on what, where, and how far it is
checkpoint.pt         everything needed to go on
weights.safetensors   what was learned so far
log.csv, curve.png    how it went
pictures/             what the model sees, every so many steps
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgmae_bench import config, provenance
from vgmae_bench.config import Json
from vgmae_bench.errors import StorageError, UsageError
from vgmae_bench.files import storage_errors, write_atomically
from vgmae_bench.training.recipe import BOOKKEEPING, LoopConfig

FORMAT = 1


@dataclass(frozen=True)
class Identity:
    """Everything that the weights depend on.

    Attributes:
        method: its name.
        settings: of the recipe.
        data: what the clips depend on.
        init: SHA-256 of the weights it starts from; None: from new ones.
    """

    method: str
    settings: LoopConfig
    data: Json
    init: str | None

    def to_json(self) -> dict[str, Json]:
        settings = config.to_json(self.settings)
        assert isinstance(settings, dict)  # it is a dataclass
        learned = {name: value for name, value in settings.items() if name not in BOOKKEEPING}
        return {"method": self.method, "data": self.data, "init": self.init, **learned}

    @property
    def digest(self) -> str:
        """SHA-256 (hex)."""
        return config.digest(self.to_json())


class TrainingFolder:
    """The files of one training. All processes look into it; one of them writes."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path, self.identity = path, identity
        self.checkpoint, self.weights = path / "checkpoint.pt", path / "weights.safetensors"
        self.log, self.curve, self.pictures = path / "log.csv", path / "curve.png", path / "pictures"

    def check(self) -> None:
        """Make sure that the folder is this training's or nobody's.

        Raises:
            StorageError: it holds something else, or cannot be read.
        """
        if not (self.path / "record.json").exists():
            for other in (self.checkpoint, self.weights, self.log):
                if other.exists():
                    raise StorageError(
                        f"{self.path} holds a {other.name} that no training here wrote",
                        "it would be overwritten",
                        try_="another folder with --out DIR",
                    )
            return
        known, mine = self._record()["identity"], self.identity.to_json()
        names = sorted(name for name in {*known, *mine} if known.get(name) != mine.get(name))
        if names:
            differences = ", ".join(f"{name}: {known.get(name)} there, {mine.get(name)} here" for name in names[:3])
            raise StorageError(
                f"{self.path} belongs to another training",
                differences + (f", and {len(names) - 3} more settings" if len(names) > 3 else ""),
                try_="another folder with --out DIR",
            )

    def open(self, device: str, command: str, processes: int, notes: list[str]) -> None:
        """Make the folder and its record, or add this session to the record.

        Raises:
            StorageError: the folder cannot be written to.
        """
        with storage_errors(self.path):
            self.pictures.mkdir(parents=True, exist_ok=True)
        record: dict[str, Any] = {
            "format": FORMAT,
            "digest": self.identity.digest,
            "identity": self.identity.to_json(),
            "notes": notes,
            "sessions": [],
        }
        if (self.path / "record.json").exists():
            record = self._record()
        session = provenance.collect(device) | {"command": command, "processes": processes}
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record["sessions"].append({"started": started, **session})
        self._write(record)

    def note_progress(self, progress: dict[str, Json]) -> None:
        """Say in the record how far the training is."""
        self._write(self._record() | {"progress": progress})

    def _record(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads((self.path / "record.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise StorageError(f"{self.path / 'record.json'} cannot be read", str(error)) from error
        if not {"format", "identity", "sessions"} <= set(record):
            raise UsageError(f"{self.path} is not the folder of a training", "its record.json is of something else")
        return record

    def _write(self, record: dict[str, Any]) -> None:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.path / "record.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))
