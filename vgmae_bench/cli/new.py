"""`vgmae-bench new`: writes a starting package that passes its own tests."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

import click

from vgmae_bench import plugins
from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command
from vgmae_bench.errors import UsageError
from vgmae_bench.files import storage_errors

_TEMPLATES = Path(__file__).parent / "templates"
_KINDS: dict[str, tuple[plugins.Kind, str]] = {
    "tracker": ("methods", "vgmae-bench run --method {name} --dataset warp"),
    "dataset": ("datasets", "vgmae-bench run --method lucas-kanade --dataset {name}"),
    "metric": ("metrics", "vgmae-bench run --method lucas-kanade --dataset warp --json"),
}


@command("vgmae-bench new tracker demo", "pip install ./demo", "pytest demo", "vgmae-bench check demo")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.argument("name")
@options.out("The new folder.  [default: NAME in the working folder]")
def new(kind: str, name: str, out: Path | None) -> None:
    """Write a small package with a tracker, a dataset or a metric.

    The package can be installed and passes its own tests. The docstring of its class has the whole contract.
    """
    from jinja2 import Environment, StrictUndefined

    group, use = _KINDS[kind]
    _check_name(group, name)
    folder, module = out or Path(name), name.replace("-", "_")
    if folder.exists():
        raise UsageError(f"{folder} is there already", "no file is overwritten", try_=f"--out another-{name}")
    title = "".join(part.capitalize() for part in name.split("-"))
    words = {"kind": kind, "group": group, "name": name, "module": module, "title": title, "use": use.format(name=name)}
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    files = {
        folder / "pyproject.toml": "common/pyproject.toml",
        folder / "README.md": "common/README.md",
        folder / "tests" / f"test_{module}.py": "common/tests_test_plugin.py",
        folder / module / "__init__.py": f"{kind}/__init__.py",
        folder / module / f"{kind}.py": f"{kind}/{kind}.py",
    }
    with storage_errors(folder, "another place, with --out"):
        for path, template in files.items():
            text = (_TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
            path.parent.mkdir(parents=True, exist_ok=True)
            # Nothing needs an atomic write: the folder is new, and can be deleted after an interruption.
            path.write_text(environment.from_string(text).render(words), encoding="utf-8")
    for path in files:
        click.echo(path)
    click.echo(f"Next: pip install ./{folder}, pytest {folder}, {words['use']}", err=True)


def _check_name(group: plugins.Kind, name: str) -> None:
    """Raise UsageError unless a package and a plugin can have this name."""
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(module):
        raise UsageError(f'"{name}" cannot name a package', "small letters, digits and hyphens, as in my-tracker")
    if name in {plugin.name for plugin in plugins.installed(group)}:
        raise UsageError(f"There is a {name} among the {group} already", "names must be unique")
    found = importlib.util.find_spec(module)
    if found is not None and found.origin is not None:
        raise UsageError(f"There is a Python package {module} already", "it would hide the new one")
