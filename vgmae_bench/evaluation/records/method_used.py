"""A method as it was built, for records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vgmae_bench.specs import QueryKind

SESSION_SOURCE = "session-"
"""Start of `MethodUsed.source` for a tracker that was defined in a Python session. A unique part follows."""


def can_depend(queries: QueryKind, ask: str) -> bool:
    """Whether tracks can depend on other queries.

    Arguments:
        queries: "joint" if the tracks of one call depend on each other.
        ask: the queries of one call, see `vgmae_bench.evaluation.asking.parse`.
    """
    return queries == "joint" and ask != "single" and not ask.endswith(":1")


@dataclass(frozen=True)
class WeightsUsed:
    """A weights file: its name, and the SHA-256 (hex) of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class MethodUsed:
    """A method as it was built.

    Attributes:
        name: the name after `--method`.
        settings: all settings, including defaults.
        seed: for methods that draw random numbers.
        source: SHA-256 (hex) of its Python file, for a method from a file; None for an installed one. For a tracker
            from a Python session, `SESSION_SOURCE` and a unique part.
        weights: None if it was built without a weights file.
        note: the method's remark about itself ("random weights"), often empty.
        without_effect: the defaults of settings that have other values, but do not change predictions. A run's key uses
            these defaults.
        checkout: the version of another project's code that the method runs, see `vgmae_bench.types.Foreign`.
        notice: restrictions of the licence that users of the predictions must know; often empty.
        distribution: "name version" of the plugin's distribution; empty for our own methods and for files.
        numerics: see `vgmae_bench.provenance.numerics`.
        queries: "joint" if the tracks of one call depend on each other.
        ask: the queries of one call, see `vgmae_bench.evaluation.asking.parse`.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    source: str | None = None
    weights: WeightsUsed | None = None
    note: str = ""
    without_effect: dict[str, Any] = field(default_factory=dict)
    checkout: str = ""
    notice: str = ""
    distribution: str = ""
    numerics: str = ""
    queries: QueryKind = "independent"
    ask: str = "all"

    @property
    def joint(self) -> bool:
        """Whether tracks could depend on other queries."""
        return can_depend(self.queries, self.ask)

    @property
    def provided_by(self) -> str:
        """The weights in a few words, for example "tiny (30bfe250)"."""
        return f"{self.weights.name} ({self.weights.sha256[:8]})" if self.weights else self.note or "none"

    @property
    def label(self) -> str:
        """The name with weights and note, for example "videogmae (tiny)"."""
        details = ", ".join(part for part in (self.weights.name if self.weights else "", self.note) if part)
        return f"{self.name} ({details})" if details else self.name
