"""Shared parts of the importers of official checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from vgmae_bench.config import build
from vgmae_bench.errors import UsageError
from vgmae_bench.models.checkpoint_content import average_beside, plain, state_dict, unwrap
from vgmae_bench.models.checkpoint_file import read_checkpoint
from vgmae_bench.models.weights_file import save_weights

T = TypeVar("T")


@dataclass(frozen=True)
class Imported:
    """The imported content of a checkpoint.

    Attributes:
        kind: the kind of model.
        config: configuration for the weights file: configurations by name, and "source" (the checkpoint's name and the
            settings of its training).
        tensors: the state dict of our model.
        dropped: (name in the checkpoint, reason) of every tensor that was left out.
        notes: one sentence per assumption or change.
    """

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    dropped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, out: Path) -> Imported:
        """Write the weights file and return self. Raises StorageError if that fails."""
        save_weights(out, self.tensors, self.kind, self.config)
        return self


class Release(NamedTuple):
    """The content of a checkpoint of the form {"model": state dict, "args": settings, …}, or of a bare state dict.

    Attributes:
        tensors: the weights, under the network's own names.
        settings: the settings of the run; None if the file has none.
        notes: sentences about parts of the file that are not used.
    """

    tensors: dict[str, Tensor]
    settings: dict[str, Any] | None
    notes: list[str]


def read_release(path: Path) -> Release:
    """Read such a checkpoint. Nothing in the file is executed.

    Raises:
        UntrustedFileError: the file names code, or holds objects instead of tensors.
        WeightsError: the file is damaged, or has no state dict.
    """
    content = read_checkpoint(path)
    tensors = unwrap(state_dict(content, path), path)
    settings, average = plain(content.get("args")), average_beside(content)
    notes = [f"the moving average of the weights ({average}) is not used"] if average else []
    return Release(tensors, settings if isinstance(settings, dict) else None, notes)


def assumed_heads(width: int, known: Mapping[int, int], setting: str, notes: list[str]) -> int:
    """The usual number of attention heads for this width. Checkpoints do not contain it. Adds a note."""
    heads = known.get(width, max(1, width // 64))
    notes.append(f"{setting}={heads} is assumed from the width {width}; --set {setting}=… changes it")
    return heads


def count_blocks(names: Iterable[str], prefix: str) -> int:
    """The number of transformer blocks in a state dict: of different numbers that follow the prefix ("blocks.")."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix)})


def import_options(options: type[T], overrides: Mapping[str, Any]) -> T:
    """The user's options for a checkpoint. Raises UsageError for an unknown name or a wrong value."""
    try:
        return build(options, overrides, owner="import-weights")
    except UsageError as error:
        raise UsageError(error.what, error.why, try_="vgmae-bench import-weights --help") from error
