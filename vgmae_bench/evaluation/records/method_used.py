"""A method as it was built, for records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vgmae_bench.specs import QueryKind

SESSION_SOURCE = "session-"
"""Start of `MethodUsed.source` for a tracker that was defined in a Python session. A unique part follows."""


def can_depend(queries: QueryKind, ask: str) -> bool:
    """Whether answers can depend on other queries.

    Arguments:
        queries: "joint" if answers to the queries of a call depend on each other.
        ask: how many queries a call has, see `vgmae_bench.evaluation.asking.parse`.
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
        without_effect: for settings that differ from their defaults but do not change the answers: their defaults. A
            run's key uses these instead.
        checkout: the repository of others that it runs, with commit and digest; empty for most methods.
        notice: what whoever uses the answers must know of the licence; often empty.
        distribution: "name version" of the distribution that a plugin of others comes from.
        numerics: see `vgmae_bench.provenance.numerics`.
        queries: "joint" if answers to the queries of a call depend on each other.
        ask: how many queries a call had, see `vgmae_bench.evaluation.asking.parse`.
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
        """Whether its answers could depend on other queries."""
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
