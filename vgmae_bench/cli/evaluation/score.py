"""`vgmae-bench score` and `export`: exchange predictions with other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, print_json, say
from vgmae_bench.errors import IncompleteError


@command(
    "vgmae-bench score --predictions tapir.npz --dataset davis --name TAPIR",
    "vgmae-bench score --predictions cotracker.pkl --dataset davis --order xy --units 256x256 --axes TN",
    "vgmae-bench score --predictions packed.h5 --dataset synth --json",
)
@click.option(
    "--predictions",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="HDF5, NPZ, NPY, torch file or pickle with all clips, or a folder with one file per clip.",
)
@options.dataset()
@options.query_mode()
@options.protocol()
@click.option(
    "--name", metavar="NAME", help="The method's name in tables.  [default: from the file's content or its name]"
)
@click.option("--axes", type=click.Choice(["NT", "TN"]), help="Arrays are [points, frames, 2] or [frames, points, 2].")
@click.option("--order", type=click.Choice(["xy", "yx"]), help="Order of the coordinates of a position.")
@click.option(
    "--units",
    metavar="UNITS",
    help="normalised (0 to 1), source (pixels of the dataset's own frames), or WIDTHxHEIGHT.",
)
@options.dataset_settings
@options.data_root
@options.write_results
@options.figures
@options.as_json
def score(predictions: Path, name: str | None, out: Path, figures: int, as_json: bool, **asked: Any) -> None:
    """Score tracks that another program wrote. The result is a run for table, compare, plot and report.

    FILE contains two arrays for each clip. Positions are called xy, tracks, pred_tracks or points. Visibility is called
    visible, visibility, pred_visible or pred_visibility; occluded, occlusion and pred_occluded are its opposite. An NPZ file
    has entries such as "bear/tracks", an HDF5 file has groups. A pickle, torch or NPY file has a dictionary of
    dictionaries, or a list in the dataset's order. A batch axis of length one is removed. Nothing in a file is executed.

    Points have the order of the protocol's queries. If the file has query_points or queries, the command compares them
    with the protocol's queries. Positions are raster positions: (0, 0) is the outer corner of the top-left pixel, whose
    centre is (0.5, 0.5). Without --axes, --order and --units, the command detects these conventions: in its query frame, a
    point must be at its query. An ambiguous file is refused. A file in the layout of `vgmae-bench export --help` needs none
    of these options.
    """
    from vgmae_bench.compare.row import Row
    from vgmae_bench.compare.tables import print_table
    from vgmae_bench.evaluation.other_programs.convention import Convention
    from vgmae_bench.evaluation.other_programs.external import open_submission, score_submission
    from vgmae_bench.evaluation.protocols import sentence_for
    from vgmae_bench.provenance import command_line

    declared = Convention(asked.pop("axes"), asked.pop("order"), asked.pop("units"))
    submission = open_submission(predictions, declared=declared, **asked)
    method = name or submission.file.about.get("method") or predictions.stem
    say(f"method    {method}, external predictions, sha256 {submission.file.sha256[:8]}")
    say(f"dataset   {submission.dataset.name}, {len(submission.dataset.ids)} clips")
    say(f"protocol  {sentence_for(submission.dataset, submission.protocol)}")
    say(f"positions {submission.remark}")
    folder, summary = score_submission(submission, method, out, figures=figures, command=command_line())
    if as_json:
        print_json({"run": str(folder.path), **vars(summary)}, indent=None)
    else:
        print_table([Row(folder, folder.record(), summary)])
        click.echo(f"\nResults: {folder.path}")
    failed = summary.clips.failed
    if failed:
        raise IncompleteError(
            f"{failed} of {len(submission.dataset.ids)} clips are not in {predictions}",
            f"the averages leave them out and are marked incomplete; the first is {next(iter(summary.failures))}",
        )


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
    from vgmae_bench.evaluation.store import find_run

    folder = find_run(results, run)
    clips = pack(folder, out)
    click.echo(f"{out}: {clips} clips, {out.stat().st_size / 1e6:.1f} MB")
    dataset = folder.record().dataset.name
    say(f"Next: vgmae-bench score --predictions {out} --dataset {dataset}")
