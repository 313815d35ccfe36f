"""Exports the predictions of a run to one file, for other programs. Other programs may write files of the same layout.

`vgmae-bench export --help` describes the layout (`vgmae_bench.cli.evaluation.score`): for each `<clip>/<query set>`,
`xy` float32 [M, T, 2] in raster pixels (x, y) of the tracker's input, `visible` bool [M, T], and the queries. Clips
without queries are left out.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import MissingDataError
from vgmae_bench.evaluation.other_programs.prediction_file import PACKED
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.files import make_folder, write_atomically


def export(run: RunFolder, out: Path) -> int:
    """Write the predictions of a run to one file, atomically.

    Arguments:
        out: the file: HDF5 if its name ends in .h5, else NPZ.

    Returns:
        The number of clips in the file.

    Raises:
        MissingDataError: the run has no predictions here.
        StorageError: a prediction is damaged, or `out` cannot be written.
    """
    record = run.record()
    files = sorted(run.predictions.glob("*.h5"))
    if not files:
        raise MissingDataError(
            f"{run.path} has no predictions",
            "the repository keeps the scores of its runs, not their predictions",
            try_=f"vgmae-bench reproduce {run.path}",
        )
    about = json.dumps(
        {
            "format": PACKED,
            "dataset": record.dataset.name,
            "protocol": record.protocol.name,
            "protocol_digest": record.protocol_digest,
            "method": record.method.name,
        }
    )

    def arrays() -> Iterator[tuple[str, npt.NDArray[Any]]]:
        for file in files:
            for number, (query_set, tracks) in enumerate(run.read_prediction(unquote(file.stem))):
                yield f"{file.stem}/{number}/xy", tracks.xy
                yield f"{file.stem}/{number}/visible", tracks.visible
                yield f"{file.stem}/{number}/query_frame", query_set.queries.frame
                yield f"{file.stem}/{number}/query_xy", query_set.queries.xy
                if tracks.confidence is not None:
                    yield f"{file.stem}/{number}/confidence", tracks.confidence

    def hdf5(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["about"] = about
            for name, array in arrays():
                file.create_dataset(name, data=array, compression="gzip", shuffle=True)

    def npz(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in chain([("about", np.array(about))], arrays()):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    make_folder(out.parent)
    write_atomically(out, hdf5 if out.suffix == ".h5" else npz)
    return len(files)
