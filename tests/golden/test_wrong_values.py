"""One wrong value in a file of the small set fails a test of that file: no array is there for show."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.golden.goldens import HERE, Golden
from tests.shared.processes import Started

SMALL = HERE / "small"
FILES = sorted(path.name for path in SMALL.glob("*.npz"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FILES, reason=f"{SMALL} is not there")]


def spoil(path: Path, array: str) -> None:
    """Make the largest value of one array wrong."""
    with np.load(path) as content:
        arrays = dict(content)
    flat = arrays[array].reshape(-1)
    place = int(np.abs(flat.astype(np.float64)).argmax())
    if flat.dtype == np.uint8:
        flat[place] = 1 - flat[place]
    else:
        flat[place] += 1 + abs(flat[place]) // 8
    np.savez(path, **arrays)


def failures(folder: Path) -> set[str]:
    """The files of a set that tests fail of."""
    tests = [str(path) for path in sorted(HERE.rglob("test_*.py")) if path != Path(__file__).resolve()]
    arguments = [*tests, "-k", folder.name, "-p", "no:cacheprovider", "--tb=no", "-rf"]
    program = f"import sys, pytest\nsys.exit(pytest.main({arguments!r}))"
    run = Started(program=program, cwd=HERE.parents[1], env={"VGMAE_BENCH_GOLDENS": str(folder)}).wait()
    assert run.returncode in (0, 1), run.stdout + run.stderr
    named = re.findall(rf"^FAILED \S+\[(?:\w+-)*{re.escape(folder.name)}/([\w.]+\.npz)", run.stdout, flags=re.MULTILINE)
    return set(named)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What fails where every file has a wrong value in one of its arrays, another of each file."""
    folder = tmp_path_factory.mktemp("wrong") / "spoilt"
    shutil.copytree(SMALL, folder)
    for number, name in enumerate(FILES):
        outputs = sorted(Golden(SMALL, name).outputs - {"ambiguous"})
        spoil(folder / name, outputs[number % len(outputs)])
    return failures(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_value_fails(failed: set[str], name: str) -> None:
    assert name in failed


def test_right_values_do_not(tmp_path: Path) -> None:
    """The same way of asking says so of the set as it is."""
    folder = tmp_path / "copied"
    shutil.copytree(SMALL, folder)
    assert failures(folder) == set()
