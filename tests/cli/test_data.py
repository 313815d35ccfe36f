"""`vgmae-bench data`, from the user's files to pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.clips import write_davis
from vgmae_bench.cli import cli
from vgmae_bench.errors import BadDataError, MissingDataError, UserError


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["data", *arguments])
    if result.exception and not isinstance(result.exception, UserError | SystemExit):
        raise result.exception
    return result


def test_from_a_folder_to_pictures(tmp_path: Path) -> None:
    brought, root = write_davis(tmp_path / "brought", clips=2), str(tmp_path / "root")
    assert call("fetch", "davis", "--from", str(brought), "--data-root", root).exit_code == 0
    published = tmp_path / "root" / "tapvid_davis" / "tapvid_davis.pkl"
    prepared = tmp_path / "root" / "prepared" / "davis.h5"
    assert call("path", "davis", "--data-root", root).stdout.split() == [str(published)]
    assert call("prepare", "davis", "--data-root", root).stdout.split() == [str(prepared)]
    assert call("path", "davis", "--data-root", root).stdout.split() == [str(prepared), str(published)]
    assert "davis is in order" in call("verify", "davis", "--data-root", root).stdout
    assert "davis         prepared" in call("list", "--data-root", root).stdout
    drawn = call("show", "davis", "clip-1", "--data-root", root, "--out", "pictures").stdout.split()
    assert drawn == ["pictures/clip-1.png", "pictures/clip-1.mp4"]
    assert all(Path(file).stat().st_size for file in drawn)
    published.unlink()  # the prepared form stands alone
    assert call("show", "davis", "--data-root", root).stdout.split()[0] == "shown/davis/clip-0.png"
    prepared.write_bytes(prepared.read_bytes()[:-50])
    assert isinstance(call("verify", "davis", "--data-root", root).exception, BadDataError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "synth"], "synth needs no files"),
        (["fetch", "badja"], "benjiebob/BADJA"),
        (["prepare", "synth"], "needs no preparation"),
        (["prepare", "kinetics", "--from", "."], "data fetch kinetics"),
        (["show", "davsi"], "Did you mean davis"),
        (["show", "folder"], "path=DIR"),
    ],
)
def test_mistakes_say_what_to_do(arguments: list[str], message: str) -> None:
    assert message in str(call(*arguments).exception)


def test_missing_data_cannot_be_verified() -> None:
    assert isinstance(call("verify", "davis").exception, MissingDataError)
