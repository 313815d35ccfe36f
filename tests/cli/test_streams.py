"""Outputs that are full, closed or unable to show every character: one line at most, and no work is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vgmae_bench.cli.streams import one_line

PLAIN = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
RUN = "run --method zero-motion --dataset warp --dataset-set clips=1 --dataset-set frames=4 --figures 0 --out r"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line for bash in which `bench` is this program."""
    script = f'bench() {{ "{sys.executable}" -m vgmae_bench "$@"; }}; set -o pipefail; {command}'
    known = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(["bash", "-c", script], capture_output=True, timeout=240, env=known)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run, made by a process with ASCII output."""
    folder = tmp_path_factory.mktemp("plain")
    done = shell(f"cd '{folder}' && bench {RUN}", **PLAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and b"d_avg" in done.stdout and b"256x256" in done.stdout
    assert done.stderr.isascii() and b"input 256x256 (lanczos)" in done.stderr
    return folder / "r"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_tables_use_only_characters_of_the_encoding(results: Path, encoding: str) -> None:
    done = shell(f"bench table --results {results}", PYTHONIOENCODING=encoding, LC_ALL="C")
    assert done.returncode == 0 and not done.stderr
    text = done.stdout.decode(encoding)
    assert "d_avg" in text and ("256×256" in text) == (encoding == "latin-1")


def test_json_stays_json(results: Path) -> None:
    done = shell(f"bench table --results {results} --format json; bench list methods --json", **PLAIN)
    assert done.returncode == 0 and done.stdout.isascii()
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(done.stdout.decode())
    assert first and decoder.decode(done.stdout.decode()[end:])


def test_an_error_about_a_name_that_cannot_be_shown() -> None:
    done = shell("bench run --method 'x\u65e5\U0001f600' --dataset synth", **PLAIN)
    assert done.returncode == 2
    assert done.stderr.startswith(b'Error: There is no method "x\\u65e5\\ud83d\\ude00"')


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["table --results {}", "list methods --json", "--help"])
def test_a_full_disk_is_one_line(results: Path, command: str) -> None:
    done = shell(f"bench {command.format(results)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"Error: Cannot write the output. No space left on device.\n"


@pytest.mark.parametrize("command", ["table --results {}", "list methods --json", "--help"])
def test_a_closed_pipe_is_no_error(results: Path, command: str) -> None:
    done = shell(f"bench {command.format(results)} | true")
    assert not done.stderr


@pytest.mark.parametrize("environment", [PLAIN, {"PYTHONIOENCODING": "utf-8"}])
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_run_continues_if_stderr_is_closed(results: Path, where: str, environment: dict[str, str]) -> None:
    done = shell(f"cd '{results.parent}' && bench {RUN} {where}", **environment)
    assert done.returncode == 0 and b"zero-motion" in done.stdout


def test_help_is_ascii_if_the_encoding_requires_it() -> None:
    for command in ("data show --help", "table --help"):
        done = shell(f"bench {command}", **PLAIN)
        assert done.returncode == 0 and done.stdout.isascii() and b"Usage" in done.stdout


def test_system_errors_are_errors_of_one_line(results: Path) -> None:
    done = shell(f"cd '{results.parent}' && bench {RUN.replace('--out r', '--out ' + 'x' * 300)}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith(b"Error: Cannot ") and b"name too long" in done.stderr
    assert b"Traceback" not in done.stderr


def test_names_do_not_move_the_cursor() -> None:
    assert one_line("a\nb\x1b[31mc\u202ed\r\x07\udce9") == "a b\\x1b[31mc\\u202ed \\x07\\udce9"
    assert one_line("日本 é 😀 100 %") == "日本 é 😀 100 %"
