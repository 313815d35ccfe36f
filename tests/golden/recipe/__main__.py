"""Makes the set: `python -m tests.golden.recipe FOLDER`."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from . import files, scenes
from .rule import SALT

REFERENCE = "float64 reference of tests/golden/recipe"


def stored(value: Any) -> np.ndarray:
    """As arrays are kept: float32, int32, and uint8 for yes and no."""
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    if array.dtype == np.uint8 or array.dtype == np.bool_:
        return array.astype(np.uint8)
    return array.astype(np.int32 if np.issubdtype(array.dtype, np.integer) else np.float32)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file whose bytes depend on its arrays alone, and not on the time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def main(folder: Path) -> None:
    """Write all files, INDEX.json and FINGERPRINTS.json."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, fingerprints = [], {}
    for name, make in {**files.FILES, **scenes.FILES}.items():
        made = make()
        arrays = {array: stored(value) for array, value in {**made.inputs, **made.outputs}.items()}
        write(folder / name, arrays)
        described = {
            array: {
                "shape": list(value.shape),
                "dtype": str(value.dtype),
                "what": made.what.get(array, ""),
                "from": "input" if array in made.inputs else REFERENCE,
            }
            for array, value in arrays.items()
        }
        entries.append({"file": name, "case": made.case, "salt": SALT, **made.more, "arrays": described})
        if made.weights is not None and name != "tm_finetune.npz":
            fingerprints[name] = made.weights.fingerprints()
    index = {"salts": {"small": SALT}, "files": entries}
    (folder / "INDEX.json").write_text(json.dumps(index, indent=1) + "\n")
    (folder / "FINGERPRINTS.json").write_text(json.dumps(fingerprints) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
