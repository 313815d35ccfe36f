"""All checks of a tracker, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vgmae_bench.conformance import contract, motion, time
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
    "independent": contract.independent,
    "repeatable": contract.repeated,
    "backward": time.backward,
    "looks-ahead": time.looks_ahead,
    "visibility": motion.visibility,
    "inputs": contract.inputs,
}
"""The checks by name. `inputs` comes last, because it reports the changes by all earlier calls."""


def check_tracker(
    probe: Probe, names: Sequence[str] = (), *, begin: Callable[[str], None] = lambda name: None
) -> Iterator[Finding]:
    """Check a tracker. The findings come one by one.

    Arguments:
        probe: the tracker.
        names: the checks to do; if empty, all. A fault in `shapes` ends them.
        begin: called with the name of each check before it starts.
    """
    for name in names or CHECKS:
        begin(name)
        try:
            findings = list(CHECKS[name](probe))
        except BrokenError as error:
            why = "Clips on which this happens fail, and scores leave them out"
            mend = "vgmae-bench check --debug, or call the tracker with vgmae_bench.track"
            findings = [Finding(name, "fault", str(error), why, mend)]
        yield from findings
        if name == "shapes" and findings[0].verdict == "fault":
            yield Finding("the rest", "info", "not checked, because ordinary queries have no valid result")
            return
