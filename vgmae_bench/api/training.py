"""Training from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vgmae_bench import plugins
from vgmae_bench.api.configurations import Training, read_settings
from vgmae_bench.config import call_with
from vgmae_bench.evaluation.method import Weights, resolve_device

WEIGHTS = "weights.safetensors"


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        weights: the file; `evaluate(…, weights=…)` takes it.
        last: the last line of the log by column ("step", "loss", …); None where another process of the same training
            writes it.
    """

    weights: Path
    last: Mapping[str, float | None] | None


def train(
    method: str,
    config: str | Path,
    data: str | Sequence[str],
    *,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    init: str | Path | None = None,
    device: str = "auto",
    command: str = "",
    log_to: Sequence[str] = (),
) -> Trained:
    """Train a method, or continue the training in the folder `out`.

    Arguments:
        method: a method that learns.
        config: a configuration of the method by its name, or a TOML file.
        data: "synth", or a folder of videos (of images for an image model); several are mixed, "synth=3" with weights.
        out: folder of the training. The same call continues from its checkpoint.
        settings: take precedence over the configuration, see `vgmae-bench show NAME --settings train`.
        init: weights to start from.
        device: "auto", "cpu" or "cuda".
        command: the command that was typed, for the record.
        log_to: "tensorboard", "wandb" or both. Each needs the extra of its name.

    Raises:
        UserError: the method does not learn, the settings or the data are wrong, or `out` holds another training.
    """
    plugin = plugins.find("methods", method)
    recipe = _make_recipe(plugin, "trainer", config, settings, log_to)
    from vgmae_bench.training.clips.sources import open_bank, open_clips

    shape, learning = recipe.shape(0), recipe.config
    source = open_clips(
        [data] if isinstance(data, str) else list(data),
        learning.seed,
        learning.data.workers,
        images=shape.frames == 1,
        bank=lambda: open_bank(learning, shape),
        repeat=learning.data.distinct_clips > 0,
    )
    return _carry_out(plugin, recipe, source, Path(out), device, None if init is None else Path(init), command, log_to)


def finetune(
    method: str,
    config: str | Path,
    data: str,
    *,
    out: str | Path,
    weights: str | Path,
    settings: Mapping[str, Any] | None = None,
    dataset_settings: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    command: str = "",
    log_to: Sequence[str] = (),
) -> Trained:
    """Train a readout on an encoder with clips that have tracks, or continue the training in the folder `out`.

    Arguments:
        method: a method that learns to track.
        config: a configuration of the method by its name, or a TOML file.
        data: "synth", or the name of a dataset with tracks.
        out: folder of the training. The same call continues from its checkpoint.
        weights: of the encoder: a file that `train` wrote, a name that the method knows, or "random".
        settings: take precedence over the configuration, see `vgmae-bench show NAME --settings finetune`.
        dataset_settings: of the dataset.
        data_root: folder of the datasets. None: the usual one.
        device: "auto", "cpu" or "cuda".
        command: the command that was typed, for the record.
        log_to: "tensorboard", "wandb" or both. Each needs the extra of its name.

    Raises:
        UserError: the method does not learn to track, the settings, the weights or the data are wrong, or `out` holds
            another training.
    """
    plugin = plugins.find("methods", method)
    encoder = Weights.find(plugin, str(weights))
    start = encoder.path if encoder else None
    recipe = _make_recipe(plugin, "finetuner", config, settings, log_to, weights=start)
    from vgmae_bench.training.clips.sources import open_bank
    from vgmae_bench.training.clips.tracks import open_tracks

    learning = recipe.config
    bank = open_bank(learning, recipe.shape(0)) if data == "synth" else None
    root = None if data_root is None else Path(data_root)
    source = open_tracks(data, dataset_settings or {}, root, learning.seed, learning.data.points, bank)
    return _carry_out(plugin, recipe, source, Path(out), device, start, command, log_to)


def _make_recipe(
    plugin: plugins.Plugin,
    offer: Training,
    config: str | Path,
    settings: Mapping[str, Any] | None,
    log_to: Sequence[str],
    **given: Any,
) -> Any:
    """The `vgmae_bench.training.recipe.Recipe` that a plugin makes of a configuration, replaced in part by settings.

    Loggers are checked here, before clips are read or rendered. Torch is imported only after the method is found.
    """
    if log_to:
        from vgmae_bench.training.experiments import check_installed

        check_installed(log_to)
    factory = plugins.load(plugin, offer)
    values = read_settings(plugin, offer, str(config), settings or {})
    return call_with(factory, values, owner=plugin.name, **given).product


def _carry_out(
    plugin: plugins.Plugin,
    recipe: Any,
    source: Any,
    out: Path,
    device: str,
    init: Path | None,
    command: str,
    log_to: Sequence[str],
) -> Trained:
    """Train a recipe on a source of clips. An unfinished training in the folder `out` continues."""
    from vgmae_bench.training.loop import Job
    from vgmae_bench.training.loop import train as run

    return Trained(
        out / WEIGHTS, run(Job(plugin.name, recipe, source, out, resolve_device(device), init, command, tuple(log_to)))
    )
