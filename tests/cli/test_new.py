"""A package that `vgmae-bench new` writes can be installed and passes its own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import call


@pytest.mark.slow
def test_packages_install_pass_their_tests_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three kinds, installed by one call of pip and tested by one call of pytest, which take longest."""
    made = (
        ("tracker", "demo", ("--method", "demo", "--dataset", "warp", "--limit", "1")),
        ("dataset", "demo-clips", ("--method", "zero-motion", "--dataset", "demo-clips")),
        ("metric", "demo-near", ("--method", "zero-motion", "--dataset", "warp")),
    )
    for kind, name, _ in made:
        listed = call("new", kind, name).stdout.split()
        assert len(listed) == 5 and all(Path(path).is_file() for path in listed)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    folders = [f"./{name}" for _, name, _ in made]
    subprocess.run([*pip, "--no-build-isolation", "--target", "site", *folders], check=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--import-mode=importlib", *folders]
    tests = subprocess.run(pytest_, capture_output=True, text=True)
    assert tests.returncode == 0 and "6 passed" in tests.stdout, tests.stdout
    for kind, name, run in made:
        assert len(re.findall(rf"/test_{name.replace('-', '_')}\.py::\w+ PASSED", tests.stdout)) == 2, tests.stdout
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
def test_invalid_package_names_are_refused(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert told in call("new", "tracker", name, code=2).stderr.lower().replace("a python", "a Python")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]
