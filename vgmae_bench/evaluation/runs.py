"""The runs of a results folder: where a run lies, and which runs there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vgmae_bench.errors import StorageError, UnknownNameError
from vgmae_bench.evaluation.records.results import Record, Session, former
from vgmae_bench.evaluation.store import RECORD, RunFolder
from vgmae_bench.files import locked


def folder_of(record: Record, root: Path) -> RunFolder:
    """The folder of a run inside the results folder `root`."""
    method, protocol = record.method, record.protocol.name
    name = f"{method.name}.{method.weights.name}" if method.weights else method.name
    return RunFolder(root / f"{record.dataset.name}-{protocol}" / name / record.key[:8])


def place_of(record: Record, root: Path) -> tuple[Record, RunFolder]:
    """The folder of a run below `root`, and the record with the key that the run has there.

    Older versions computed keys from all settings. A run with such a key continues in its old folder.
    """
    folder, old = folder_of(record, root), former(record)
    before = folder_of(old, root)
    if (folder.path / RECORD).is_file() or not (before.path / RECORD).is_file() or before.record().key != old.key:
        return record, folder
    return old, before


def start_session(folder: RunFolder, record: Record, session: Session) -> None:
    """Write record.json with this session, or add the session to an existing record.json.

    Several processes can do so at once. A session is not added if the record has one with the same work, code and
    machine.

    Raises:
        StorageError: the folder belongs to another run (two keys start with the same digits), or cannot be written.
        BadDataError: the existing record is damaged.
    """
    with locked(folder.path):
        try:
            known = folder.record()
        except FileNotFoundError:
            known = record
        if known.key != record.key:
            raise StorageError(f"{folder.path} belongs to another run", "its record has another key", try_="--out DIR")
        name = record.name or known.name
        new = [] if any(session.same_work(other) for other in known.sessions) else [session]
        if new or name != known.name:
            folder.write_record(replace(known, name=name, sessions=[*known.sessions, *new]))


def all_runs(root: Path) -> Iterator[RunFolder]:
    """Every run of a results folder, sorted by path, then the project's own runs in `root/reference`."""
    for pattern in (f"*/*/*/{RECORD}", f"reference/*/*/*/{RECORD}"):
        for record in sorted(root.glob(pattern)):
            yield RunFolder(record.parent)


def find_run(root: Path, name: str) -> RunFolder:
    """The run in the folder `name`, or the run whose key begins with `name`.

    Raises:
        UnknownNameError: no run fits, or several do.
    """
    if (Path(name) / RECORD).is_file():
        return RunFolder(Path(name))
    found = [run for run in all_runs(root) if run.path.name.startswith(name) or str(run.path).endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    problem = f"There is no run {name}" if not found else f'"{name}" fits {len(found)} runs'
    raise UnknownNameError(problem, f"looked in {root}", try_=f"vgmae-bench list runs --results {root}")
