"""`vgmae-bench cite`: BibTeX of what a paper used."""

from __future__ import annotations

import re

import click

from vgmae_bench import __version__, plugins
from vgmae_bench.cli.framework import command
from vgmae_bench.errors import UnknownNameError

BENCHMARK = (
    "@software{vgmae_bench, title={vgmae-bench: measuring how well self-supervised video models track points}, "
    f"author={{The vgmae-bench authors}}, version={{{__version__}}}}}"
)


@command(
    "vgmae-bench cite videogmae gmrw davis",
    "vgmae-bench cite arXiv:2306.08637",
    "vgmae-bench cite --published > benchmark.bib",
)
@click.argument("names", metavar="[METHOD|DATASET|KEY]...", nargs=-1)
@click.option(
    "--published", is_flag=True, help="Also the papers of all published numbers, by the keys that tables cite."
)
def cite(names: tuple[str, ...], published: bool) -> None:
    """Print BibTeX of methods and datasets, of TAP-Vid, and of this benchmark.

    A method without its own paper becomes a comment. NAME can also be a key
    such as arXiv:2306.08637, which LaTeX tables with published scores cite.
    """
    from vgmae_bench.compare.published import bibliography
    from vgmae_bench.data import TAPVID

    papers, lines = bibliography(), []
    for name in [*names, *(papers if published else ())]:
        if name in papers:
            lines.append(papers[name])
            continue
        spec = plugins.spec_of("methods", name) or plugins.spec_of("datasets", name)
        if spec is None:
            known = [plugin.name for plugin in (*plugins.installed("methods"), *plugins.installed("datasets"))]
            raise UnknownNameError(
                f'There is no method and no dataset "{name}"',
                plugins.did_you_mean(name, known),
                try_="vgmae-bench list methods",
            )
        lines += spec.citation.split("\n") if spec.citation else [f"% {name}: {spec.summary}"]
    for entry in dict.fromkeys([*lines, TAPVID, BENCHMARK]):
        click.echo(re.sub(r", (?=\w+=\{)", ",\n  ", entry))  # each field on a line of its own
