"""`vgmae-bench export`: writes the predictions of a run to one file."""

from __future__ import annotations

from pathlib import Path

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command


@command(
    "vgmae-bench export 3f2a91c0 --out predictions.h5",
    "vgmae-bench export results/synth-tapvid-first/lucas-kanade/dbd38c7f --out predictions.npz",
    "vgmae-bench score --predictions predictions.npz --dataset synth",
)
@click.argument("run")
@options.out_file(".h5", ".npz")
@options.results
def export(run: str, out: Path, results: Path) -> None:
    """Write the predictions of RUN (a folder, or the first digits of a key) to one file that `score` can read.

    Other programs can write the same layout: groups and datasets of an HDF5 file, or entries of an NPZ file:

    \b
    about                           JSON with "format": "vgmae-bench predictions 1", and optionally "dataset",
                                    "protocol", "protocol_digest" and "method"; an attribute of the HDF5 file,
                                    a string in an NPZ file
    <clip>/<query set>/xy           float32 [M, T, 2], (x, y) in raster pixels of the frames that the tracker
                                    gets (256 x 256 in TAP-Vid), pixel centres at .5
    <clip>/<query set>/visible      bool [M, T]
    <clip>/<query set>/query_frame  int64 [M], optional: `score` compares them with the protocol's queries
    <clip>/<query set>/query_xy     float32 [M, 2], optional, like xy
    <clip>/<query set>/confidence   float32 [M, T], optional

    M points have the order of the protocol's queries; T are all frames. TAP-Vid has one query set per clip, "0".
    Characters of a clip's name other than letters, digits and "_.-~ ()[]+,=@" are percent-encoded.
    """
    from vgmae_bench.evaluation.other_programs.export import export as pack
    from vgmae_bench.evaluation.runs import find_run

    folder = find_run(results, run)
    clips = pack(folder, out)
    click.echo(f"{out}: {clips} clips, {out.stat().st_size / 1e6:.1f} MB")
    dataset = folder.record().dataset.name
    click.echo(f"Next: vgmae-bench score --predictions {out} --dataset {dataset}", err=True)
