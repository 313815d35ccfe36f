"""How an error reads: what, why, and a command to try."""

from __future__ import annotations

import pytest

from vgmae_bench.errors import UserError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UserError("It is broken"), "It is broken."),
        (UserError("It is broken.", "It fell."), "It is broken. It fell."),
        (UserError("There is no device", "torch sees none"), "There is no device: torch sees none."),
        (UserError('There is no "davsi"', "Did you mean davis?"), 'There is no "davsi". Did you mean davis?'),
        (UserError("Frames differ", '"a.png" is smaller'), 'Frames differ: "a.png" is smaller.'),
        (UserError("No run fits", try_="vgmae-bench list runs"), "No run fits.\nTry: vgmae-bench list runs"),
    ],
)
def test_what_and_why_are_one_readable_line(error: UserError, text: str) -> None:
    assert str(error) == text
