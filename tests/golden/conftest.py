"""Says after the golden tests how many arrays of each file were compared, and which files a set does not have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.golden import goldens

PROPERTY = "golden arrays compared"
NAMED = 4
"""So many arrays that were not compared are named."""


@pytest.fixture(autouse=True)
def comparisons(record_property: pytest.RecordProperty) -> Iterator[None]:
    """Report what a test compared. Properties reach the terminal from the processes of pytest-xdist too."""
    goldens.COMPARED.clear()
    yield
    record_property(PROPERTY, {file: sorted(arrays) for file, arrays in goldens.COMPARED.items()})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a file that something was compared with."""
    compared: dict[str, set[str]] = {}
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY:
                for file, arrays in value.items():
                    compared.setdefault(file, set()).update(arrays)
    for file in goldens.files("*.npz"):
        if str(file) in compared:
            left = file.outputs - compared[str(file)]
            line = f"golden {file}: {len(file.outputs - left)} of {len(file.outputs)} outputs compared"
            some = sorted(left)[:NAMED] + [f"{len(left) - NAMED} others"] * (len(left) > NAMED)
            terminalreporter.write_line(f"{line}; not {', '.join(some)}" if left else line)
    reasons = {report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()) if "golden" in report.nodeid}
    for reason in sorted(reasons):
        terminalreporter.write_line(f"golden {reason.removeprefix('Skipped: ')}")
