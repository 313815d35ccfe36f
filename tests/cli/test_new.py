"""A package that `vgmae-bench new` writes can be installed and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "run"),
    [
        ("tracker", "demo", ("--method", "demo", "--dataset", "warp", "--limit", "1")),
        ("dataset", "demo-clips", ("--method", "zero-motion", "--dataset", "demo-clips")),
        ("metric", "demo-near", ("--method", "zero-motion", "--dataset", "warp")),
    ],
)
def test_it_installs_passes_its_tests_and_runs(
    kind: str, name: str, run: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = call("new", kind, name).stdout.split()
    assert len(listed) == 5 and all(Path(path).is_file() for path in listed)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", "site", f"./{name}"], check=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name], capture_output=True, text=True
    )
    assert tests.returncode == 0 and "2 passed" in tests.stdout, tests.stdout
    assert name in call("list", f"{kind}s" if kind != "tracker" else "methods").stdout
    assert "Results: " in call("run", *run).stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Demo", "cannot name a package"),
        ("class", "cannot name a package"),
        ("zero-motion", "among the methods already"),
        ("numpy", "a Python package numpy already"),
        ("there", "there is there already"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert told in call("new", "tracker", name, code=2).stderr.lower().replace("a python", "a Python")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]
