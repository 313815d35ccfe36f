"""All checks of a tracker, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vgmae_bench.conformance import contract, motion, sameness, seen, time
from vgmae_bench.conformance.findings import Finding
from vgmae_bench.conformance.probe import BrokenError, Probe

Check = Callable[[Probe], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "shapes": contract.shapes,
    "edges": contract.edges,
    "on-query": contract.on_query,
    "translation": motion.translation,
    "half-pixel": motion.half_pixel,
    "long-pan": motion.long_pan,
    "independent": sameness.independent,
    "repeatable": sameness.repeated,
    "backward": time.backward,
    "looks-ahead": time.looks_ahead,
    "visibility": seen.visibility,
    "inputs": contract.inputs,
}
"""By name. `inputs` comes last: it tells what all calls of the others have changed."""


def check_tracker(
    probe: Probe, names: Sequence[str] = (), *, begin: Callable[[str], None] = lambda name: None
) -> Iterator[Finding]:
    """Findings one after the other.

    Arguments:
        probe: the tracker.
        names: the checks to do; none: all. After a fault in `shapes` nothing else is tried.
        begin: told the name of each check before it is done.
    """
    for name in names or CHECKS:
        begin(name)
        try:
            findings = list(CHECKS[name](probe))
        except BrokenError as error:
            why = "A clip for which this happens fails, and the score leaves it out"
            findings = [
                Finding(
                    name, "fault", str(error), why, "vgmae-bench check --debug, or ask the tracker by vgmae_bench.track"
                )
            ]
        yield from findings
        if name == "shapes" and findings[0].verdict == "fault":
            yield Finding("the rest", "info", "not checked: it has no usual answer")
            return
