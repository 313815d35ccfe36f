"""Imports other projects' repositories that are not Python packages, from a folder of the user.

Such repositories have modules called `utils` or `models`. Two of them would overwrite each other in `sys.modules`. The
modules of a checkout are therefore in `sys.modules` only during an import from this checkout.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
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
    """The environment variable for the folder of a checkout, such as VGMAE_BENCH_CHECKOUT_CO_TRACKER for co-tracker."""
    return "VGMAE_BENCH_CHECKOUT_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def use(assignments: Iterable[str]) -> None:
    """Use these folders for checkouts, in this process and in its child processes.

    Arguments:
        assignments: "name=folder", where name is the repository's name without its owner.

    Raises:
        UsageError: an assignment has another form, or the folder does not exist.
    """
    for assignment in assignments:
        name, equals, folder = assignment.partition("=")
        if not (name and equals and folder):
            raise UsageError(f'"{assignment}" is no checkout', "it looks like tapnet=FOLDER")
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"There is no folder {folder}", f"it must exist: --checkout {name}=FOLDER")
        os.environ[variable_of(name)] = str(Path(folder).expanduser().absolute())


def lacking(plugin: Plugin) -> str:
    """The missing packages or the missing checkout of a method, as text. Empty if the method can run."""
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
        source: "owner/name@commit" of the repository on GitHub, with the commit that was tested. ":subfolder" follows if
            the modules are in a subfolder.

    The environment variable VGMAE_BENCH_CHECKOUT_<NAME> sets the repository's folder. NAME is in capital letters, with "_" in
    place of all other characters than letters and digits. Without this variable, the folder is `checkouts/name` in
    `vgmae_bench.files.cache_folder`.

    Raises:
        PluginError: the folder does not exist. The error suggests the command that clones the repository.
        UsageError: `source` has another form.
    """

    def __init__(self, source: str) -> None:
        parts = _SOURCE.fullmatch(source)
        if parts is None:
            raise UsageError(f'"{source}" is no repository', "it looks like owner/name@commit:subfolder")
        self.repository, self.wanted = f"{parts['owner']}/{parts['name']}", parts["commit"]
        variable = variable_of(parts["name"])
        cache = cache_folder() / "checkouts" / parts["name"]
        chosen = os.environ.get(variable)
        root = Path(chosen).expanduser() if chosen else cache
        self.folder = (root / (parts["subfolder"] or "")).absolute()
        if not self.folder.is_dir():
            place = shlex.quote(str(root))
            clone = f"git clone https://github.com/{self.repository} {place} && git -C {place} checkout {self.wanted}"
            why = f"{self.folder} is no folder; --checkout {parts['name']}=FOLDER or ${variable} sets another folder"
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
            except Exception as error:  # foreign code can raise any error
                what = f"{name} of {self.repository} cannot be imported from {self.folder}"
                raise PluginError(what, explained(error)) from error

    @contextmanager
    def importing(self) -> Iterator[None]:
        """In this context, `import` finds the checkout's modules first. Other modules with the same names are hidden."""
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
        """ "owner/name commit digest": the commit with "+" if files differ, and 16 digits of its Python files' SHA-256."""
        hashed = hashlib.sha256()
        for path in sorted(self.folder.rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            hashed.update(f"{path.relative_to(self.folder).as_posix()} {content}\n".encode())
        commit = commit_of(self.folder)
        where = f"{commit.id[:12]}{'+' if commit.dirty else ''}" if commit else "no-commit"
        return f"{self.repository} {where} {hashed.hexdigest()[:16]}"
