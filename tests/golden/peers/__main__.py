"""`python -m tests.golden.peers` fails if a checkout or a package is missing. With --write, it makes the goldens anew."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

from tests.golden.peers.evaluators import EVALUATORS
from tests.golden.peers.scene import scene
from vgmae_bench.errors import PluginError

NEEDED = ("einops", "einshape", "torchvision", "tree")
DATA = Path(__file__).parent / "data"
SOURCES = {
    "tapir, bootstapir": "google-deepmind/tapnet@c2cbab8",
    "locotrack": "cvlab-kaist/locotrack@3385a23:locotrack_pytorch",
    "cotracker3": "facebookresearch/co-tracker@82e02e8",
}


def main() -> None:
    from vgmae_bench.checkouts import Checkout

    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    for names, source in SOURCES.items():
        try:
            print(f"{names}: {Checkout(source).identity}")
        except PluginError as error:
            print(f"{names}: not checked out. Try: {error.try_}")
            lacking.append(source.partition("@")[0])
    if lacking:
        sys.exit(f"Missing: {', '.join(lacking)}. Nothing is fetched here.")
    if "--write" not in sys.argv:
        return
    for name, evaluate in EVALUATORS.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        np.savez_compressed(DATA / f"{name}.npz", **evaluate(scene(name)))
        print(f"wrote {name}.npz", flush=True)


if __name__ == "__main__":
    main()
