"""The folder of a training: its identity and its files.

record.json           method, settings, data, machine and progress
checkpoint.pt         everything needed to continue
weights.safetensors   the weights so far
log.csv, curve.png    loss and validation over the steps
pictures/             the model's results at regular steps
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vgmae_bench import config
from vgmae_bench.config import Json
from vgmae_bench.errors import StorageError
from vgmae_bench.evaluation.records.others import TrainingRecord
from vgmae_bench.evaluation.records.results import Session
from vgmae_bench.files import make_folder
from vgmae_bench.settings import flatten
from vgmae_bench.training.settings import BOOKKEEPING, LoopConfig

RECORD = "record.json"
OLD_WAYS: dict[str, Json] = {"ema_warmup": False}
"""Values of settings that give the behaviour before the setting existed, where the default does not."""


@dataclass(frozen=True)
class Identity:
    """Everything that the trained weights depend on.

    Attributes:
        method: the method's name.
        settings: settings of the recipe.
        data: everything that the clips depend on.
        init: SHA-256 (hex) of the initial weights; None for new weights.
    """

    method: str
    settings: LoopConfig
    data: Json
    init: str | None

    def to_json(self) -> dict[str, Json]:
        """The identity as plain JSON, without settings that do not affect the weights."""
        return {"method": self.method, "data": self.data, "init": self.init, **_learned_with(self.settings)}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the identity."""
        return config.digest(self.to_json())


def _learned_with(settings: LoopConfig) -> dict[str, Json]:
    """The settings by name that affect the weights."""
    return {name: config.to_json(value) for name, value in flatten(settings).items() if name not in BOOKKEEPING}


def _said(identity: dict[str, Json]) -> dict[str, Json]:
    """The identity without entries of curriculum stages that are None. Older records lack entries that are newer."""
    stages = identity.get("stages")
    if not isinstance(stages, list):
        return identity
    told: list[Json] = [
        {name: value for name, value in stage.items() if value is not None} if isinstance(stage, dict) else stage
        for stage in stages
    ]
    return {**identity, "stages": told}


class TrainingFolder:
    """The files of one training. All processes read them; one of them writes."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path, self.identity = path, identity
        self.checkpoint, self.weights = path / "checkpoint.pt", path / "weights.safetensors"
        self.log, self.curve, self.pictures = path / "log.csv", path / "curve.png", path / "pictures"

    def check(self) -> None:
        """Check that the folder belongs to this training or is free.

        Raises:
            StorageError: the folder belongs to something else, or cannot be read.
        """
        if not (self.path / RECORD).exists():
            for other in (self.checkpoint, self.weights, self.log):
                if other.exists():
                    raise StorageError(
                        f"{self.path} holds a {other.name} that this training did not write",
                        "it would be overwritten",
                        try_="another folder with --out DIR",
                    )
            return
        known, mine = (_said(identity) for identity in (self._known(), self.identity.to_json()))
        names = sorted(name for name in {*known, *mine} if known.get(name) != mine.get(name))
        if names:
            differences = ", ".join(f"{name}: {known.get(name)} there, {mine.get(name)} here" for name in names[:3])
            raise StorageError(
                f"{self.path} belongs to another training",
                differences + (f", and {len(names) - 3} more settings" if len(names) > 3 else ""),
                try_="another folder with --out DIR",
            )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the identity: the record's if there is a record. Checkpoints contain it."""
        return self._record().digest if (self.path / RECORD).exists() else self.identity.digest

    def open(self, device: str, command: str, processes: int, notes: list[str]) -> None:
        """Create the folder and its record, or add this session to the record.

        Raises:
            StorageError: the folder cannot be written.
        """
        make_folder(self.pictures)
        if (self.path / RECORD).exists():
            record = self._record()
        else:
            record = TrainingRecord(digest=self.identity.digest, identity=self.identity.to_json(), notes=notes)
        session = Session.now(device, command, processes)
        replace(record, sessions=[*record.sessions, session]).write(self.path / RECORD)

    def note_progress(self, progress: dict[str, Json]) -> None:
        """Write the progress of the training to the record."""
        replace(self._record(), progress=progress).write(self.path / RECORD)

    def _known(self) -> dict[str, Json]:
        """The identity in the record. A newer setting has the value that gives the earlier behaviour."""
        usual = _learned_with(type(self.identity.settings)())
        return {**usual, **OLD_WAYS, **self._record().identity}

    def _record(self) -> TrainingRecord:
        return TrainingRecord.read(self.path / RECORD)
