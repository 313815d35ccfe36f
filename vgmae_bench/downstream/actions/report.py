"""Report a probe: accuracies with intervals, every answer, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vgmae_bench.files import write_atomically
from vgmae_bench.metrics.stats import clip_bootstrap, finite

SHOWN = 5
"""How many of the likeliest classes are shown for each video."""
NAMED = 40
"""The confusion matrix shows class names if there are at most so many classes."""


@dataclass(frozen=True, eq=False)
class Answers:
    """A classifier's answers for the tested videos.

    Attributes:
        ids: names of the n videos.
        labels: int64 [n], true classes.
        shares: float [n, classes], probabilities, averaged over views.
        skipped: why videos could not be read, by name.
    """

    ids: Sequence[str]
    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    skipped: dict[str, str]


def measure(answers: Answers, classes: Sequence[str]) -> dict[str, Any]:
    """Compute accuracies as fractions.

    Returns:
        "top1" and "top5" with 95 % bootstrap intervals over videos, the mean over classes, chance, and the accuracy of each
        class. "top5" is left out if there are five classes or fewer.
    """
    # Among equal probabilities, the true class gets the last rank. Otherwise, constant outputs could count as right.
    mine = np.take_along_axis(answers.shares, answers.labels[:, None], axis=1)
    rank = (answers.shares >= mine).sum(axis=1) - 1
    hits = {"top1": rank < 1} | ({"top5": rank < 5} if len(classes) > 5 else {})
    means = clip_bootstrap(np.stack(list(hits.values()), axis=1).astype(np.float64), answers.ids)
    accuracies: dict[str, Any] = {
        name: {"mean": mean.value, "ci95": [finite(mean.low), finite(mean.high)]}
        for name, mean in zip(hits, means, strict=True)
    }
    by_class = pd.Series(hits["top1"]).groupby(answers.labels).mean()
    each = {classes[number]: float(hit) for number, hit in zip(by_class.index.tolist(), by_class, strict=True)}
    return {**accuracies, "mean_class": float(by_class.mean()), "chance": 1 / len(classes), "classes": each}


def confusion(answers: Answers, classes: int) -> npt.NDArray[np.int64]:
    """Confusion matrix, int64 [classes, classes]: rows are true classes, columns are answers."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (answers.labels, answers.shares.argmax(axis=1)), 1)
    return counts


def write_answers(path: Path, answers: Answers, classes: Sequence[str]) -> None:
    """Write a CSV with a row for each video: its class, and the likeliest classes with their probabilities.

    Raises:
        StorageError: the file cannot be written.
    """
    names, order = np.array(classes), np.argsort(-answers.shares, axis=1, kind="stable")
    table = pd.DataFrame({"video": answers.ids, "class": names[answers.labels]})
    for place, best in enumerate(order[:, :SHOWN].T, 1):
        table[f"answer_{place}"] = names[best]
        table[f"probability_{place}"] = answers.shares[range(len(best)), best]
    write_atomically(path, lambda temporary: table.to_csv(temporary, index=False, float_format="%.4f"))


def draw_confusion(path: Path, counts: npt.NDArray[np.int64], classes: Sequence[str], title: str) -> None:
    """Draw the confusion matrix as a PNG, each row in percent of its videos.

    Raises:
        StorageError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    count = len(classes)
    side = 3.5 + 0.32 * min(count, NAMED)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes: Any = figure.subplots()
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set(xlabel="answer", ylabel="class", title=title)
    if count <= NAMED:
        axes.set_xticks(range(count), classes, rotation=90)
        axes.set_yticks(range(count), classes)
    if count <= 20:
        for row, column in np.ndindex(percent.shape):
            if counts[row, column]:
                colour = "white" if percent[row, column] > 55 else "black"
                text = f"{percent[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, label="% of the class")
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))


def draw_answers(
    shares: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], classes: Sequence[str], path: Path
) -> None:
    """Draw the likeliest classes of some videos as bars, the right one in green.

    Arguments:
        shares: float [n, classes], probabilities.
        labels: int64 [n].
        classes: names.
        path: the PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(shares), 2.4), layout="constrained")
    for axes, row, label in zip(figure.subplots(1, len(shares), squeeze=False)[0], shares, labels, strict=True):
        best = np.argsort(-row, kind="stable")[:SHOWN][::-1]
        axes.barh(range(len(best)), 100 * row[best], color=["tab:green" if n == label else "tab:gray" for n in best])
        axes.set_yticks(range(len(best)), [classes[number] for number in best])
        axes.set(title=classes[label], xlabel="%", xlim=(0, 100))
    figure.savefig(path, format="png", dpi=110)


def print_result(result: dict[str, Any]) -> None:
    """Print the result as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    table.add_column("encoder", no_wrap=True)
    for title in ("mode", "top-1 [95 %]", "top-5 [95 %]", "mean class", "chance", "videos"):
        table.add_column(title, justify="right")
    videos = result["videos"]
    failed = f", {videos['skipped']} failed" if videos["skipped"] else ""
    table.add_row(
        result["encoder"],
        result["mode"],
        *(_interval(result.get(name)) for name in ("top1", "top5")),
        f"{100 * result['mean_class']:.2f}",
        f"{100 * result['chance']:.2f}",
        f"{videos['tested']}{failed}",
    )
    console = Console(width=None if Console().is_terminal else 140, highlight=False)
    console.print(f"{result['data']}: {videos['learned']} videos learned from, {result['sentence']}", soft_wrap=True)
    console.print(table)
    if len(result["classes"]) <= NAMED:
        console.print(", ".join(f"{name} {100 * hit:.0f}" for name, hit in result["classes"].items()), soft_wrap=True)


def _interval(accuracy: dict[str, Any] | None) -> str:
    if accuracy is None:
        return "–"
    low, high = accuracy["ci95"]
    mean = f"{100 * accuracy['mean']:.2f}"
    return mean if low is None else f"{mean} [{100 * low:.1f}, {100 * high:.1f}]"
