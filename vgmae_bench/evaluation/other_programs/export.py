"""Exports the predictions of a run to one file that other programs can read. They can write the same layout.

`vgmae-bench export --help` describes the layout (`vgmae_bench.cli.evaluation.export`): for each `<clip>/<query set>`,
`xy` float32 [M, T, 2] in raster pixels (x, y) of the tracker's input, `visible` bool [M, T], and the queries. Clips
without queries are left out.
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
from vgmae_bench.files import make_folder, write_atomically

Put = Callable[[str, npt.NDArray[Any]], None]


def export(run: RunFolder, out: Path) -> int:
    """Write the predictions of a run to one file, atomically.

    Arguments:
        out: the file. Its name ends in .h5 or .npz.

    Returns:
        The number of clips in the file.

    Raises:
        UsageError: the name ends differently.
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

    make_folder(out.parent)
    write_atomically(out, hdf5 if out.suffix == ".h5" else npz)
    return len(files)
