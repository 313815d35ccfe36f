"""Repositories of others that are no packages: found in a folder of the user's and imported under private names.

Such repositories have modules called `utils` or `models`, and two of them would overwrite each other in `sys.modules`. The
modules of a checkout are there only while something of it is being imported.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import ModuleType

from vgmae_bench.errors import PluginError, UsageError
from vgmae_bench.files import cache_folder
from vgmae_bench.plugins import Plugin, explained
from vgmae_bench.provenance import commit_of

_TURN = RLock()
_SOURCE = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)@(?P<commit>[0-9a-f]{7,40})(:(?P<subfolder>[\w./-]+))?")


def variable_of(name: str) -> str:
    """The environment variable that names the folder of a checkout: VGMAE_BENCH_CHECKOUT_CO_TRACKER for co-tracker."""
    return "VGMAE_BENCH_CHECKOUT_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def use(assignments: Iterable[str]) -> None:
    """Take checkouts from these folders, here and in processes that are started from here.

    Arguments:
        assignments: "name=folder", with the repository's name without its owner.

    Raises:
        UsageError: an assignment has another form, or there is no such folder.
    """
    for assignment in assignments:
        name, equals, folder = assignment.partition("=")
        if not (name and equals and folder):
            raise UsageError(f'"{assignment}" is no checkout', "it looks like tapnet=FOLDER")
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"There is no folder {folder}", f"--checkout {name}=… names one")
        os.environ[variable_of(name)] = str(Path(folder).expanduser().absolute())


def lacking(plugin: Plugin) -> str:
    """What a method needs and what is not here: packages, a checkout. Empty if all is here."""
    if plugin.missing:
        return f"it needs {', '.join(plugin.missing)}, not installed here. Try: {plugin.spec.install}"
    try:
        if source := getattr(plugin.spec, "checkout", ""):
            Checkout(source)
    except PluginError as error:
        return f"{error.what}. Try: {error.try_}"
    return ""


class Checkout:
    """A checked-out repository.

    Arguments:
        source: "owner/name@commit" on GitHub, the commit it was tried with, and ":subfolder" where modules lie in one.
        environment: the variable VGMAE_BENCH_CHECKOUT_<NAME>, capital letters and "_" for all but letters and digits,
            names its folder. Without one, it is `checkouts/name` in `vgmae_bench.files.cache_folder`.

    Raises:
        PluginError: there is no such folder; says how to get it.
        UsageError: `source` has another form.
    """

    def __init__(self, source: str, environment: Mapping[str, str] = os.environ) -> None:
        parts = _SOURCE.fullmatch(source)
        if parts is None:
            raise UsageError(f'"{source}" is no repository', "it looks like owner/name@commit:subfolder")
        self.repository, self.wanted = f"{parts['owner']}/{parts['name']}", parts["commit"]
        variable = variable_of(parts["name"])
        cache = cache_folder() / "checkouts" / parts["name"]
        root = Path(environment[variable]).expanduser() if environment.get(variable) else cache
        self.folder = (root / (parts["subfolder"] or "")).absolute()
        if not self.folder.is_dir():
            place = shlex.quote(str(root))
            clone = f"git clone https://github.com/{self.repository} {place} && git -C {place} checkout {self.wanted}"
            why = f"{self.folder} is no folder; --checkout {parts['name']}=FOLDER or ${variable} can name another"
            raise PluginError(f"{self.repository} is not checked out", why, try_=clone)
        self._modules: dict[str, ModuleType] = {}

    def module(self, name: str) -> ModuleType:
        """Import a module of the checkout.

        Raises:
            PluginError: it cannot be imported.
        """
        with self.importing():
            try:
                return importlib.import_module(name)
            except Exception as error:  # their code may fail in any way
                what = f"{name} of {self.repository} cannot be imported from {self.folder}"
                raise PluginError(what, explained(error)) from error

    @contextmanager
    def importing(self) -> Iterator[None]:
        """While this lasts, `import` finds the checkout's modules first, and its own ones alone by their names."""
        tops = {path.stem for path in self.folder.glob("*.py")}
        tops |= {path.parts[len(self.folder.parts)] for path in self.folder.glob("*/**/*.py")}

        def take() -> dict[str, ModuleType]:
            return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in tops}

        with _TURN:
            others = take()
            sys.modules.update(self._modules)
            sys.path.insert(0, str(self.folder))
            importlib.invalidate_caches()
            try:
                yield
            finally:
                sys.path.remove(str(self.folder))
                self._modules = take()
                sys.modules.update(others)

    @property
    def identity(self) -> str:
        """ "owner/name commit digest": the commit, "+" where files differ, and SHA-256 (16 digits) of its Python files."""
        hashed = hashlib.sha256()
        for path in sorted(self.folder.rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            hashed.update(f"{path.relative_to(self.folder).as_posix()} {content}\n".encode())
        commit = commit_of(self.folder)
        where = f"{str(commit['id'])[:12]}{'+' if commit['dirty'] else ''}" if commit else "no-commit"
        return f"{self.repository} {where} {hashed.hexdigest()[:16]}"
