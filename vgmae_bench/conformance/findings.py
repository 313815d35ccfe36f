"""Results of the checks: one finding per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["pass", "fault", "info"]
"""Result of a check. "fault": the contract is broken. "info": a useful fact, or a question that the check cannot answer."""
Kind = Literal["tracker", "dataset", "metric"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: the name of the check.
        verdict: see `Verdict`.
        what: what was found, with numbers.
        why: why it matters; empty for passed checks.
        mend: how to fix it; empty for passed checks.
    """

    check: str
    verdict: Verdict
    what: str
    why: str = ""
    mend: str = ""

    def __str__(self) -> str:
        text = ". ".join(part.rstrip(".") for part in (self.what, self.why) if part)
        return f"{self.verdict:<5}  {self.check:<18}  {text}" + (f". To mend: {self.mend}" if self.mend else "")


@dataclass(frozen=True)
class Report:
    """All findings about one tracker, dataset or metric.

    Attributes:
        kind: what was checked.
        name: its name.
        findings: in the order of the checks.
    """

    kind: Kind
    name: str
    findings: Sequence[Finding] = field(default_factory=list)

    @property
    def faults(self) -> list[Finding]:
        """The findings that break the contract."""
        return [finding for finding in self.findings if finding.verdict == "fault"]

    @property
    def passed(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    @property
    def sentence(self) -> str:
        """How many faults there are, in one line."""
        count = len(self.faults)
        text = "no fault" if not count else "1 fault" if count == 1 else f"{count} faults"
        return f"{self.kind} {self.name}: {text} in {len(self.findings)} checks"

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), self.sentence])

    __repr__ = __str__
