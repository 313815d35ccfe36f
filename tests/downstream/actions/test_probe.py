"""Probing in both modes, from an encoder and videos to accuracies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from tests.downstream.actions.toy import SOURCE, Blocks, folder
from tests.shared.configured import configured
from vgmae_bench.cli.downstream.probe import probe
from vgmae_bench.downstream.actions import features
from vgmae_bench.downstream.actions.heads import Classifier, Probed, open_encoder, set_layer_rates
from vgmae_bench.downstream.actions.probe import Plan, execute
from vgmae_bench.downstream.actions.recipes import Shuffled
from vgmae_bench.downstream.actions.report import Answers, confusion, measure
from vgmae_bench.downstream.actions.settings import FinetuneConfig, LinearConfig, settle
from vgmae_bench.downstream.actions.videos import PROTOCOLS, open_actions
from vgmae_bench.downstream.actions.views import erase, mix, random_crop
from vgmae_bench.errors import IncompleteError, UsageError
from vgmae_bench.evaluation.records.results import MethodUsed
from vgmae_bench.models.weights_file import load_weights
from vgmae_bench.training.schedule import parameter_groups

SHORT = ["--set", "steps=60", "--set", "batch_size=4", "--set", "workers=0", "--set", "stride=1", "--set", "lr=1.0"]


def call(*more: str, method: str = "./bright.py:Brightness", out: str = "out") -> Any:
    Path("bright.py").write_text(SOURCE)
    words = ["--method", method, "--data", "videos", "--out", out, "--json", *SHORT, *more]
    return CliRunner().invoke(probe, words)


def test_an_encoder_from_a_file_can_be_probed() -> None:
    folder(Path("videos"))
    done = call()
    assert done.exception is None, done.exception
    result = json.loads(done.stdout)
    assert result["top1"]["mean"] == 1.0 and result["classes"] == {"dark": 1.0, "light": 1.0}
    assert result["videos"] == {"learned": 6, "tested": 2, "skipped": 0, "missing": [0, 0]}
    assert {path.name for path in Path("out").iterdir()} >= {
        *("record.json", "result.json", "weights.safetensors", "answers.csv", "confusion.png", "log.csv"),
    }
    weights = load_weights(Path("out/weights.safetensors"), method="any")
    assert weights.kind == "probe-head" and weights.config["classes"] == ["dark", "light"]
    identity = json.loads(Path("out/record.json").read_text())["identity"]
    assert identity["data"]["encoder"]["source"] and identity["segments"] == 5 and identity["head_norm"] == "batch"
    assert Path("out/answers.csv").read_text().splitlines()[1].startswith("dark/3.mp4,dark,dark,")


def test_a_broken_video_is_skipped_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    folder(Path("videos"))
    Path("videos/dark/3.mp4").write_bytes(b"no video")
    Path("videos/dark/2.mp4").write_bytes(b"no video")
    done = call()
    assert isinstance(done.exception, IncompleteError)
    result = json.loads(done.stdout)
    assert result["videos"] == {"learned": 5, "tested": 1, "skipped": 1, "missing": [0, 0]}
    assert list(result["failures"]) == ["dark/3.mp4"]


def test_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folder(Path("videos"))
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(Path("own").absolute()))
    first = json.loads(call().stdout)
    monkeypatch.setattr(features, "_compute", None)
    assert json.loads(call(out="again").stdout)["top1"] == first["top1"]
    for file in Path("own/features").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    assert isinstance(call(out="third").exception, TypeError)  # damaged ones would be computed again


def plan(config: FinetuneConfig | LinearConfig, out: str) -> Plan:
    actions = open_actions("videos")
    probed = Probed(Blocks(0).eval(), MethodUsed("blocks"))  # type: ignore[arg-type]  # mypy: it is an encoder
    mode = "linear" if isinstance(config, LinearConfig) else "finetune"
    return Plan(
        probed, actions, settle(config, PROTOCOLS["folder"][mode], len(actions.train.ids)), Path(out), "cpu", ""
    )


FAST = {"epochs": 0, "steps": 6, "batch_size": 4, "workers": 0, "stride": 1, "segments": 1, "crops": 1, "lr": 0.5}


def test_finetuning_goes_on_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    folder(Path("videos"))
    config = configured(FinetuneConfig, **FAST, checkpoint_every=3)
    whole = execute(plan(config, "whole"))
    assert whole["mode"] == "finetune" and whole["videos"]["tested"] == 2
    from vgmae_bench.training.logger import TrainingLogger

    keep = TrainingLogger.keep

    def keep_and_die(logger: TrainingLogger) -> None:
        keep(logger)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TrainingLogger, "keep", keep_and_die)
        execute(plan(config, "broken"))
    assert execute(plan(config, "broken"))["top1"] == whole["top1"]
    once, twice = (load_weights(Path(name, "weights.safetensors"), method="m").tensors for name in ("whole", "broken"))
    assert all(torch.equal(once[name], twice[name]) for name in once)
    start = Blocks(0).state_dict()
    assert not torch.equal(once["encoder.embed.weight"], start["embed.weight"])
    assert torch.equal(once["encoder.norm.weight"], start["norm.weight"])  # which is dropped


def test_a_frozen_encoder_stays_as_it_is() -> None:
    folder(Path("videos"))
    execute(plan(configured(FinetuneConfig, **FAST, freeze=True, pooling="attentive"), "out"))
    learned = load_weights(Path("out/weights.safetensors"), method="m").tensors
    assert all(torch.equal(learned[f"encoder.{name}"], value) for name, value in Blocks(0).state_dict().items())
    assert "pool.query" in learned


def test_lower_layers_learn_more_slowly() -> None:
    model = Classifier(Blocks(0), 3, FinetuneConfig(final_norm=True))  # type: ignore[arg-type]
    set_layer_rates(model, 0.5)
    rates = {name: parameter.lr_scale for name, parameter in model.named_parameters()}  # type: ignore[attr-defined]
    assert rates["head.linear.weight"] == rates["encoder.norm.weight"] == 1
    assert rates["encoder.blocks.1.weight"] == 0.5 and rates["encoder.embed.bias"] == 0.125
    groups = parameter_groups(model, 0.05)
    assert {group["lr_scale"] for group in groups} == {1.0, 0.5, 0.25, 0.125}
    assert sum(len(group["params"]) for group in groups) == len(rates)


@pytest.mark.parametrize("method", ["videogmae", "trackmae", "videomae"])
def test_our_encoders_give_tokens_before_their_norm(method: str) -> None:
    probed = open_encoder(method, "random", {}, seed=3)
    encoder = probed.encoder
    video = torch.randn(1, 3, encoder.num_frames, encoder.image_size, encoder.image_size)
    with torch.inference_mode():
        tokens = encoder(video)
        normed = encoder.norm(tokens)
    assert tokens.shape[2] == encoder.width and isinstance(encoder.norm, nn.LayerNorm)
    assert torch.allclose(normed.mean(dim=2), torch.zeros(1), atol=1e-4)
    assert not torch.allclose(tokens.std(dim=2), torch.ones(1), atol=1e-2)
    assert probed.describe()["random"] == 3 and probed.label == f"{method} (random weights)"
    again = open_encoder(method, "random", {}, seed=3).encoder
    assert torch.equal(again(video), tokens)


def test_mistakes_are_named() -> None:
    folder(Path("videos"), videos=4)
    none = call(method="zero-motion")
    assert isinstance(none.exception, UsageError) and "no encoder to probe" in str(none.exception)
    for words, why in (
        (["--set", "head=batch"], "head_norm"),
        (["--mode", "finetune", "--set", "layer_decay=2"], "layer_decay"),
        (["--encoder-set", "size=tiny"], "no settings"),
    ):
        done = call(*words)
        assert isinstance(done.exception, UsageError) and why in str(done.exception), (words, done.exception)
    assert not Path("out").exists()
    assert "Missing option '--method'" in CliRunner().invoke(probe, []).output
    listed = CliRunner().invoke(probe, ["--list-settings", "--method", "trackmae"]).output
    assert all(word in listed for word in ("layer_decay = 0.75", "train_scenes = 40", "size = tiny", "optimiser.lr = "))
    assert "object at" not in listed  # sections are listed setting by setting


def test_epochs_become_steps() -> None:
    config = settle(configured(FinetuneConfig, batch_size=10), PROTOCOLS["ssv2"]["finetune"], 100)
    assert (config.steps, config.optimiser.warmup_steps, config.sampling, config.segments) == (400, 50, "uniform", 2)
    assert settle(LinearConfig(epochs=0, steps=7), PROTOCOLS["ssv2"]["linear"], 100).steps == 7
    order = Shuffled(5, seed=0)
    assert sorted(order[n] for n in range(5)) == sorted(order[n] for n in range(5, 10)) == list(range(5))


def test_accuracies_and_confusion() -> None:
    shares = np.eye(6, dtype=np.float32)[[0, 1, 1, 5]]
    shares[3] = np.array([0.3, 0.2, 0.01, 0.1, 0.1, 0.29])
    answers = Answers(["a", "b", "c", "d"], np.array([0, 1, 2, 5]), shares, {})
    measured = measure(answers, "abcdef")
    assert measured["top1"]["mean"] == 0.5 and measured["mean_class"] == 0.5 and measured["chance"] == 1 / 6
    assert measured["top5"]["mean"] == 0.75  # of the third, all but one class are equally unlikely
    assert measured["classes"] == {"a": 1.0, "b": 1.0, "c": 0.0, "f": 0.0}
    assert confusion(answers, 6)[2, 1] == 1 and confusion(answers, 6).sum() == 4
    flat = Answers(["a", "b"], np.array([0, 1]), np.full((2, 6), 1 / 6, dtype=np.float32), {})
    assert measure(flat, "abcdef")["top1"]["mean"] == measure(flat, "abcdef")["top5"]["mean"] == 0


def test_augmentations_keep_shapes_and_mix_labels_by_share() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    assert random_crop(clip, 8, 0.1, rng).shape == (3, 8, 8, 3)
    assert np.array_equal(random_crop(clip[:, :20, :20], 20, 1.0, rng), clip[:, :20, :20])
    video, targets = torch.zeros(4, 3, 2, 8, 8), torch.eye(4)
    video += torch.arange(4.0)[:, None, None, None, None]
    for mixup, cutmix in ((0.8, 0.0), (0.0, 1.0)):
        mixed, shares = mix(video, targets, mixup, cutmix, np.random.default_rng(1))
        assert torch.allclose(shares.sum(dim=1), torch.ones(4))
        assert torch.allclose(mixed.mean(dim=(1, 2, 3, 4)), shares @ torch.arange(4.0), atol=1e-5)
    erased = erase(torch.zeros(50, 3, 2, 8, 8), 0.5, rng).abs().sum(dim=(1, 2)) > 0
    assert 10 < erased.any(dim=(1, 2)).sum() < 40 and erased.float().mean() < 1 / 3
