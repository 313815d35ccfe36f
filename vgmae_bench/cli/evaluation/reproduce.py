"""`vgmae-bench reproduce`: executes a run again and reports the differences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vgmae_bench.cli import options
from vgmae_bench.cli.framework import command, data_alone_on_stdout, json_text, say, say_method
from vgmae_bench.errors import UserError

if TYPE_CHECKING:
    from vgmae_bench.evaluation.records.others import Reproduction


class DifferentError(UserError):
    """The repetition of a run gave other results."""


@command(
    "vgmae-bench reproduce results/reference/synth-tapvid-first/zero-motion/453c1652 --limit 4",
    "vgmae-bench reproduce 3f2a91c0 --tolerance 0.001",
    "vgmae-bench reproduce 3f2a91c0 --weights trained/tiny/weights.safetensors --json",
)
@click.argument("run")
@options.out("Folder to write the repetition to.", default=Path("results/reproduced"))
@options.results
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    help="Largest accepted difference of a clip's metric: a fraction, or pixels for metrics in pixels.",
)
@options.limit("Execute and compare only the first N clips.")
@options.checkout
@options.device
@options.method("file.py:Class, if the run's tracker came from a file.", required=False)
@options.weights(
    "The weights file, if the method does not ship the weights.",
    type=options.FILE,
    metavar="FILE",
)
@options.data_root
@options.as_json
def reproduce(run: str, out: Path, results: Path, tolerance: float, as_json: bool, **rest: Any) -> None:
    """Execute RUN again as its record says, and compare. RUN is a folder, or the first digits of a key.

    Method, settings, weights, data, protocol and seed are those of the record, checked by their digests. The run's
    predictions are not needed. The command reports the largest difference of each metric in any clip, the largest
    difference of positions if the run's predictions are here, and differences in code, versions and device. An earlier
    repetition in --out is replaced. Exit code 0: all metrics of all clips agree within the tolerance; 1: they do not.
    """
    from vgmae_bench.evaluation.reproduce import plan_again
    from vgmae_bench.evaluation.reproduce import reproduce as execute_again
    from vgmae_bench.evaluation.store import find_run
    from vgmae_bench.provenance import command_line

    folder = find_run(results, run)
    with data_alone_on_stdout():
        files = {"method_file": rest.pop("method"), "weights_file": rest.pop("weights")}
        planned = plan_again(folder, out, **files, **rest)
    say(f"run       {folder.path}")
    say_method(planned.record.method, planned.method.device)
    say(f"protocol  {planned.record.protocol_sentence}")
    say(f"folder    {planned.folder.path}, {len(planned.share)} clips")
    with data_alone_on_stdout():
        result = execute_again(folder, planned, tolerance=tolerance, command=command_line())
    click.echo(json_text(result, indent=None) if as_json else _told(result))
    if not result.equal:
        far = [name for name, one in result.metrics.items() if one.largest is None or one.largest > tolerance]
        missing = f"{len(result.missing)} clips are missing, the first is {(result.missing or [''])[0]}"
        raise DifferentError(
            "The repetition gave other results", f"beyond {tolerance:g}: {', '.join(far)}" if far else missing
        )


def _told(result: Reproduction) -> str:
    lines = [f"{result.clips} clips compared. Largest difference of a metric in any clip:"]
    for name, change in result.metrics.items():
        size = "one has no value" if change.largest is None else f"{change.largest:.3g}"
        lines.append(f"  {name:<28} {size}" + (f"  ({change.clip})" if change.clip else ""))
    positions = result.positions
    if positions is None:
        lines.append("Positions: the predictions of the run are not here.")
    else:
        lines.append(
            f"Positions: at most {positions.largest_px:.3g} px apart, visibility differs {positions.visibility_flips} "
            f"times, in {positions.compared} clips."
        )
    for kind, found in (("Configuration", result.configuration), ("Environment", result.environment)):
        lines.append(f"{kind}: {'different' if found else 'the same'}.")
        lines += [f"  {one.what}: {one.then} → {one.now}" for one in found]
    lines.append(f"{'Equal' if result.equal else 'Different'} at a tolerance of {result.tolerance:g}.")
    return "\n".join(lines)
