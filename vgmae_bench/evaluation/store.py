"""The runs of a results folder, and their files.

Each clip has one HDF5 file, written atomically, so that an interrupted run loses at most one clip.

results/<dataset>-<protocol>/<method>[.<weights>]/<run key>/
    record.json                 method, dataset, protocol, code and machine
    predictions/<clip>.h5       predicted and true tracks: the input of every metric
    predictions/<clip>.json     the cost of the clip, or why it failed
    predictions/<clip>.lock     exists while a process predicts the clip
    metrics.csv                 one row per query set
    metrics_per_track.csv.gz    one row per query
    metrics_over_time.csv       counts by time since the query and since a point was last hidden
    first_failure.txt           the traceback of the first clip that failed, if any
    summary.json                means, intervals, coverage
    figures/<clip>.jpg          predicted tracks drawn over the first clips
    players/<clip>.npz          tracks of a few clips for the players of reports, after `report --keep-players`
"""

from __future__ import annotations

import fcntl
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import h5py

from vgmae_bench.data.files.clip_names import shortened
from vgmae_bench.errors import BadDataError, StorageError, UnknownNameError
from vgmae_bench.evaluation.protocols import QuerySet
from vgmae_bench.evaluation.records.results import ClipNote, Cost, Maker, Record, Session, Summary, former
from vgmae_bench.files import locked, storage_errors, write_atomically
from vgmae_bench.types import Queries, Tracks

RECORD, SUMMARY = "record.json", "summary.json"
FORMAT = 1
"""The version of the prediction files."""


class RunFolder:
    """The files of one run. Reading a missing file raises FileNotFoundError. A failed write raises StorageError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.predictions = path / "predictions"
        self.over_time = path / "metrics_over_time.csv"
        self.traceback = path / "first_failure.txt"

    def create(self) -> None:
        """Make the folders, and check that they are writable."""
        with storage_errors(self.path):
            self.predictions.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / ".writable", lambda temporary: temporary.touch())
            (self.path / ".writable").unlink(missing_ok=True)

    def prediction(self, clip_id: str) -> Path:
        """The path of the clip's prediction file. The file need not exist."""
        return self.predictions / f"{file_name(clip_id)}.h5"

    def picture(self, clip_id: str) -> Path:
        """The path of the picture of the clip's tracks. The file need not exist."""
        return self.path / "figures" / f"{file_name(clip_id)}.jpg"

    def has_prediction(self, clip_id: str) -> bool:
        """Whether the clip has a prediction."""
        return self.prediction(clip_id).is_file()

    @contextmanager
    def claim(self, clip_id: str, *, wait: bool = False) -> Iterator[bool]:
        """Whether this process may predict the clip: False while another process has the claim.

        The claim ends with the block, or with the process if it dies. On file systems without locks, every claim
        succeeds.

        Arguments:
            wait: wait until no other process has the claim.
        """
        path = self.predictions / f"{file_name(clip_id)}.lock"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:
                pass
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)

    def write_prediction(
        self,
        clip_id: str,
        answered: Sequence[tuple[QuerySet, Tracks]],
        cost: Cost | None,
        made_by: Maker | None = None,
        doubt: str = "",
    ) -> None:
        """Keep the predictions for all query sets of a clip. The bytes depend on the predictions alone.

        Arguments:
            doubt: what looks wrong in the true tracks, or empty.
        """
        ClipNote(cost=cost, made_by=made_by, doubt=doubt).write(self._note(clip_id))
        write_atomically(self.prediction(clip_id), lambda temporary: _write_h5(temporary, clip_id, answered))

    def read_prediction(self, clip_id: str) -> list[tuple[QuerySet, Tracks]]:
        """The stored query sets and predictions of a clip.

        Raises:
            StorageError: the file is damaged. Writing is atomic, so this means a fault of the disk.
        """
        path = self.prediction(clip_id)
        try:
            with h5py.File(path, "r") as file:
                return [_read_query_set(file[str(number)]) for number in range(file.attrs["questions"])]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise StorageError(f"The prediction {path} cannot be read", str(error), try_=f"rm '{path}'") from error

    def write_failure(self, clip_id: str, error: str) -> None:
        """Note why a clip failed."""
        ClipNote(error=error).write(self._note(clip_id))

    def write_traceback(self, error: BaseException) -> Path:
        """Keep the traceback of an error for debugging. Returns the file."""
        text = "".join(traceback.format_exception(error))
        write_atomically(self.traceback, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        return self.traceback

    def note(self, clip_id: str) -> ClipNote:
        """The note about a clip. It has an error only if the clip has no prediction, and nothing else in this case.

        If the file is missing or damaged, the note is empty, because scores do not need it.
        """
        try:
            note = ClipNote.read(self._note(clip_id))
        except (FileNotFoundError, BadDataError):
            return ClipNote()
        return replace(note, error=None) if self.has_prediction(clip_id) else ClipNote(error=note.error)

    def record(self) -> Record:
        """Read record.json. Raises BadDataError if it is damaged."""
        return Record.read(self.path / RECORD)

    def summary(self) -> Summary | None:
        """Read summary.json; None if nothing has been scored yet. Raises BadDataError if it is damaged."""
        try:
            return Summary.read(self.path / SUMMARY)
        except FileNotFoundError:
            return None

    def _note(self, clip_id: str) -> Path:
        return self.predictions / f"{file_name(clip_id)}.json"


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
            replace(known, name=name, sessions=[*known.sessions, *new]).write(folder.path / RECORD)


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


def file_name(clip_id: str) -> str:
    """The clip's id as a file name without ending."""
    return shortened(quote(clip_id, safe=" ()[]+,=@"))


@contextmanager
def new_h5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file in memory, which is written to `path` at the end of the block. Its bytes are those of a file on disk.

    If HDF5 itself writes and the disk is full, closing the file ends the process with a segmentation fault.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    path.write_bytes(content)


def _write_h5(path: Path, clip_id: str, answered: Sequence[tuple[QuerySet, Tracks]]) -> None:
    with new_h5(path) as file:
        file.attrs.update({"format": FORMAT, "clip": clip_id, "questions": len(answered)})
        for number, (query_set, tracks) in enumerate(answered):
            group = file.create_group(str(number))
            queries = {"query_frame": query_set.queries.frame, "query_xy": query_set.queries.xy}
            arrays = queries | vars(query_set) | vars(tracks)
            del arrays["queries"]
            for name, values in arrays.items():
                if values is not None:
                    group[name] = values


def _read_query_set(group: h5py.Group) -> tuple[QuerySet, Tracks]:
    stored = {name: array[()] for name, array in group.items()}
    queries = Queries(stored.pop("query_frame"), stored.pop("query_xy"))
    tracks = Tracks(stored.pop("xy"), stored.pop("visible"), stored.pop("confidence", None))
    return QuerySet(queries, **stored), tracks
