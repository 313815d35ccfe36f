"""Run a probe: train a head on features, or an encoder with its head, then test it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from vgmae_bench.ahead import made_ahead
from vgmae_bench.config import Json, build
from vgmae_bench.downstream.actions.features import compute_features, readable_views
from vgmae_bench.downstream.actions.heads import Classifier, Head, Probed, open_encoder, set_layer_rates
from vgmae_bench.downstream.actions.recipes import ClipSource, FeatureSource, FinetuneRecipe, ProbeRecipe
from vgmae_bench.downstream.actions.report import Answers, confusion, draw_confusion, measure, write_answers
from vgmae_bench.downstream.actions.settings import FinetuneConfig, LinearConfig, ProbeConfig, settle
from vgmae_bench.downstream.actions.videos import PROTOCOLS, Actions
from vgmae_bench.errors import BadDataError, UsageError
from vgmae_bench.files import write_atomically
from vgmae_bench.models.weights_file import load_into, load_weights
from vgmae_bench.progress.bar import counted
from vgmae_bench.training.launch import world
from vgmae_bench.training.loop import Job, train

Mode = Literal["linear", "finetune"]
SETTINGS: dict[str, type[ProbeConfig]] = {"linear": LinearConfig, "finetune": FinetuneConfig}


@dataclass(frozen=True)
class Plan:
    """A probe with all settings resolved.

    Attributes:
        config: `LinearConfig` or `FinetuneConfig`, without None.
        out: the folder of the training. It also gets the answers.
        device: "cpu" or "cuda".
        command: for the record.
    """

    probed: Probed
    actions: Actions
    config: ProbeConfig
    out: Path
    device: str
    command: str

    @property
    def mode(self) -> Mode:
        """ "linear": only a head learns. "finetune": the encoder learns, too."""
        return "linear" if isinstance(self.config, LinearConfig) else "finetune"

    @property
    def sentence(self) -> str:
        """The tested views in words."""
        config, encoder = self.config, self.probed.encoder
        apart = f" {config.stride} apart" if config.sampling == "dense" else ""
        return (
            f"tested on {config.segments}×{config.crops} views of {encoder.num_frames} frames ({config.sampling}{apart}) "
            f"at {encoder.image_size}×{encoder.image_size}"
        )

    def describe(self) -> dict[str, Json]:
        """What the result depends on, without paths of this machine."""
        return {"mode": self.mode, **self.actions.describe(), "encoder": self.probed.describe()}


def make_plan(
    method: str,
    weights: str | None,
    mode: Mode,
    actions: Actions,
    *,
    settings: Mapping[str, Any],
    encoder_settings: Mapping[str, Any],
    out: Path,
    device: str,
    command: str = "",
) -> Plan:
    """Find, open and check everything before work begins.

    Raises:
        UserError: something cannot be found or built, or settings do not fit.
    """
    values = {"epochs": 0, **settings} if "steps" in settings else settings
    try:
        config = build(SETTINGS[mode], values, owner=f"probe --mode {mode}")
    except UsageError as error:
        raise UsageError(error.what, error.why, try_="vgmae-bench probe --list-settings") from error
    if mode == "linear" and world().processes > 1:
        raise UsageError("Linear probing runs in one process", f"{world().processes} were started")
    settled = settle(config, PROTOCOLS[actions.protocol][mode], len(actions.train.ids))
    return Plan(open_encoder(method, weights, encoder_settings, config.seed), actions, settled, out, device, command)


def execute(plan: Plan) -> dict[str, Any]:
    """Train, or continue the training in the folder, then test. The process can be killed at any moment.

    Returns:
        The content of result.json. Empty in all processes but the first.

    Raises:
        UserError: videos cannot be read, the folder cannot be written, or it belongs to another training.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, after a checkpoint is written.
    """
    config = plan.config
    answers, learned = _finetune(plan, config) if isinstance(config, FinetuneConfig) else _linear(plan)
    return {} if answers is None else _report(plan, answers, learned)


def _linear(plan: Plan) -> tuple[Answers | None, int]:
    """Train a head on features and test it. Returns its answers and the number of videos it learned from."""
    config, actions = plan.config, plan.actions
    one_view = replace(config, segments=1, crops=1)
    learned = compute_features(plan.probed, actions.train, one_view, plan.device, "train features")
    tested = compute_features(plan.probed, actions.test, config, plan.device, "test features")
    parts = [(learned, actions.train.labels), (tested, actions.test.labels)]

    def make() -> nn.Module:
        assert config.head_norm is not None  # it is settled
        return Head(plan.probed.encoder.width, len(actions.classes), config.head_norm)

    head = _trained(plan, ProbeRecipe, make, FeatureSource(parts, config.seed, plan.describe()))
    if head is None:
        return None, 0
    with torch.inference_mode():
        shares = head(tested.values.flatten(0, 1)).softmax(dim=1).unflatten(0, tested.values.shape[:2]).mean(dim=1)
    rows = tested.rows.tolist()
    ids = [actions.test.ids[row] for row in rows]
    return Answers(ids, actions.test.labels[rows], shares.numpy(), tested.skipped), len(learned.rows)


def _finetune(plan: Plan, config: FinetuneConfig) -> tuple[Answers | None, int]:
    """Train an encoder with its head and test it. Returns its answers and the number of videos it learned from.

    In all processes but the first, the answers are None.
    """
    actions, encoder = plan.actions, plan.probed.encoder

    def make() -> nn.Module:
        model = Classifier(encoder, len(actions.classes), config)
        set_layer_rates(model, config.layer_decay)
        return model

    source = ClipSource(actions, encoder, config, plan.describe())
    model = _trained(plan, FinetuneRecipe, make, source)
    if model is None:
        return None, 0
    return _test(plan, model.to(plan.device)), len(actions.train.ids) - len(source.skipped())


def _trained(
    plan: Plan, kind: type[ProbeRecipe], make: Callable[[], nn.Module], source: FeatureSource | ClipSource
) -> nn.Module | None:
    """Train a model. Returns it with the weights that the training wrote; None in all processes but the first."""
    method, file = plan.probed.used.name, plan.out / "weights.safetensors"
    about: dict[str, Json] = {"probe": plan.describe(), "classes": list(plan.actions.classes)}
    recipe = kind(plan.config, make, plan.actions.classes, about)
    if not train(Job(method, recipe, source, plan.out, plan.device, command=plan.command)):
        return None
    model = make()
    load_into(model, load_weights(file, method=method).tensors, source=str(file))
    return model.eval()


@torch.inference_mode()
def _test(plan: Plan, model: nn.Module) -> Answers:
    """Probabilities of every tested video, averaged over its views."""
    videos = plan.actions.test
    skipped: dict[str, str] = {}
    rows, shares = [], []
    every, look = range(len(videos.ids)), partial(readable_views, videos, plan.probed.encoder, plan.config)
    with closing(made_ahead(every, look, ahead=1)) as looked:  # one video ahead of the encoder
        for row, views in zip(counted(every, "testing", "videos"), looked, strict=True):
            if isinstance(views, str):
                skipped[videos.ids[row]] = views
            else:
                logits = model(torch.from_numpy(views).to(plan.device))
                rows.append(row)
                shares.append(logits.float().softmax(dim=1).mean(dim=0).cpu().numpy())
    if not rows:
        raise BadDataError("None of the videos to test can be read", next(iter(skipped.values()), ""))
    return Answers([videos.ids[row] for row in rows], videos.labels[rows], np.stack(shares), skipped)


def _report(plan: Plan, answers: Answers, learned: int) -> dict[str, Any]:
    actions, out = plan.actions, plan.out
    result: dict[str, Any] = {
        "method": plan.probed.used.name,
        "encoder": plan.probed.label,
        "mode": plan.mode,
        "data": actions.name,
        "sentence": plan.sentence,
        **measure(answers, actions.classes),
        "videos": {
            "learned": learned,
            "tested": len(answers.ids),
            "skipped": len(answers.skipped),
            "missing": list(actions.missing),
        },
        "failures": answers.skipped,
        "folder": str(out),
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    write_answers(out / "answers.csv", answers, actions.classes)
    title = f"{plan.probed.label}, {plan.mode}: {100 * result['top1']['mean']:.1f} % of {actions.name}"
    draw_confusion(out / "confusion.png", confusion(answers, len(actions.classes)), actions.classes, title)
    write_atomically(out / "result.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return result
