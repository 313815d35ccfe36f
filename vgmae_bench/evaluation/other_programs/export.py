"""The predictions of a run in one file, for others to read and, in the same layout, to write.

The layout is that of `vgmae-bench export --help` (`vgmae_bench.cli.evaluation.export`): `<clip>/<query set>/xy` and `visible`,
float32 [M, T, 2] raster pixels (x, y) of the tracker's input and bool [M, T], beside what was asked. A clip that asks nothing
is left out.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np
import numpy.typing as npt

from vgmae_bench.errors import MissingDataError, UsageError
from vgmae_bench.evaluation.other_programs.prediction_file import PACKED
from vgmae_bench.evaluation.store import RunFolder
from vgmae_bench.files import storage_errors, write_atomically

Put = Callable[[str, npt.NDArray[Any]], None]


def export(run: RunFolder, out: Path) -> int:
    """Pack the predictions of a run into one file, written atomically.

    Arguments:
        out: ends in .h5 or .npz.

    Returns:
        How many clips it holds.

    Raises:
        UsageError: another ending.
        MissingDataError: the run has no predictions here.
        StorageError: a prediction is damaged, or `out` cannot be written.
    """
    if out.suffix not in (".h5", ".npz"):
        raise UsageError(f"{out} is neither HDF5 nor NPZ", "its name must end in .h5 or .npz")
    record = run.record()
    files = sorted(run.predictions.glob("*.h5"))
    if not files:
        raise MissingDataError(
            f"{run.path} has no predictions",
            "those of runs that come with the repository are not kept in it",
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

    def fill(put: Put) -> None:
        for file in files:
            for number, (query_set, tracks) in enumerate(run.read_prediction(unquote(file.stem))):
                arrays = {
                    "xy": tracks.xy,
                    "visible": tracks.visible,
                    "query_frame": query_set.queries.frame,
                    "query_xy": query_set.queries.xy,
                    "confidence": tracks.confidence,
                }
                for name, array in arrays.items():
                    if array is not None:
                        put(f"{file.stem}/{number}/{name}", array)

    def hdf5(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["about"] = about

            def put(name: str, array: npt.NDArray[Any]) -> None:
                file.create_dataset(name, data=array, compression="gzip", shuffle=True)

            fill(put)

    def npz(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

            def put(name: str, array: npt.NDArray[Any]) -> None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

            put("about", np.array(about))
            fill(put)

    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, hdf5 if out.suffix == ".h5" else npz)
    return len(files)
