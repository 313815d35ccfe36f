"""The command line of the stress test; see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Run the sections one after the other and print the faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=sys.modules["tests.campaign"].__doc__)
    parser.add_argument("sections", nargs="*", help="mutated, killed, full, readonly, writers; all by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="time for all sections together")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn at random")
    parser.add_argument("--inputs", type=int, default=100_000, help="mutated inputs in all")
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in all")
    parser.add_argument("--readers", default="", help="of section mutated, by commas; all by default")
    parser.add_argument("--keep", type=Path, default=Path("campaign"), help="folder for what went wrong")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # forked processes do not inherit threads
    options.keep = options.keep.absolute()

    from tests.campaign import killed, mutated, storage

    known = {
        "mutated": lambda end: mutated.run(
            options.inputs, options.seed, end, options.keep, set(filter(None, options.readers.split(",")))
        ),
        "killed": lambda end: killed.run(options.kills, options.seed, end, options.keep),
        "full": storage.run_full,
        "readonly": storage.run_readonly,
        "writers": storage.run_writers,
    }
    names = options.sections or list(known)
    if unknown := set(names) - set(known):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    began, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        os.chdir(folder)
        os.environ.update(VGMAE_BENCH_CACHE=f"{folder}/cache", VGMAE_BENCH_DATA=f"{folder}/data")
        for place, name in enumerate(names):
            left = options.minutes * 60 - (time.monotonic() - began)
            counts, wrong = known[name](time.monotonic() + max(left, 0.0) / (len(names) - place))
            for problem in wrong[:20]:
                print(f"{name}: {problem}", flush=True)
            print(f"{name}: {', '.join(f'{count} {what}' for what, count in counts.items())}", flush=True)
            bad += len(wrong)
    print(f"{bad} problems in {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    sys.exit(bool(bad))


main()
