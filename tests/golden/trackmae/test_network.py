"""TrackMAE's network and its fine-tuned form equal those of the official code, gradients included."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.network import Classifier, EncoderConfig, Heads, NetworkConfig, TrackMAE, split

from tests.golden import goldens
from tests.golden.goldens import Golden

NETS = goldens.each("tm_net*.npz")
FINETUNED = goldens.each("tm_finetune*.npz")


def network_config(made: dict[str, Any]) -> NetworkConfig:
    """The official constructor's arguments as ours."""
    return NetworkConfig(
        **encoder_arguments(
            {**made, **{name: made[f"encoder_{name}"] for name in ("embed_dim", "depth", "num_heads")}}
        ),
        decoder_embed_dim=made["decoder_embed_dim"],
        decoder_num_heads=made["decoder_num_heads"],
        decoder_depth=made["decoder_depth"],
        motion_decoder_depth=made["tracker_decoder_depth"],
    )


def encoder_arguments(made: dict[str, Any]) -> dict[str, Any]:
    same = ("embed_dim", "depth", "num_heads", "patch_size", "tubelet_size")
    return {
        **{name: made[name] for name in same},
        "image_size": made["img_size"],
        "num_frames": made["all_frames"],
        "mlp_ratio": made.get("mlp_ratio", 4),
    }


@cache
def model(file: Golden) -> TrackMAE:
    made = file.constructor
    heads = Heads(made["decoder_num_classes"], made["tracker_decoder_num_classes"])
    network = TrackMAE(network_config(made), heads)
    file.fill_by_rule(network)
    return network


def close(file: Golden, name: str, ours: Tensor) -> None:
    """Compare with the array of that name, where the file has it."""
    if name in file:
        file.close(name, ours, atol=file.tolerance("all"))


def video(file: Golden) -> Tensor:
    return goldens.normalised_video(file["video_u8"])


def mask(file: Golden, case: str) -> Tensor:
    return file.tensor(f"{case}mask").bool()


@pytest.mark.parametrize(
    ("file", "table"),
    goldens.each("tm_net*.npz", cases=lambda file: [name for name in file.stored if name.startswith("table.")]),
)
def test_the_tables_are_the_official_ones(file: Golden, table: str) -> None:
    name = table.removeprefix("table.")
    assert name in file.entry["fixed_tables"]
    file.close(table, model(file).state_dict()[name], atol=1e-6)


@pytest.mark.parametrize(
    ("file", "case"), goldens.each("tm_net*.npz", cases=lambda file: goldens.prefixes(file, "mask"))
)
def test_outputs(file: Golden, case: str) -> None:
    hidden = mask(file, case)
    with torch.no_grad():
        shown, _ = split(hidden, model(file).config.num_tokens)
        for index, layer in enumerate(model(file).encoder.layers(video(file), shown)):
            close(file, f"{case}block{index}", layer)
        close(file, f"{case}encoder", model(file).encoder(video(file), shown))
        spatial, motion = model(file)(video(file), hidden, allow_untrained=not hidden.any())
    if f"{case}spatial" in file:
        close(file, f"{case}spatial", spatial[:, : file[f"{case}spatial"].shape[1]])
    close(file, f"{case}spatial_token_mean", spatial.mean(dim=-1))
    close(file, f"{case}spatial_token_std", spatial.std(dim=-1))
    close(file, f"{case}motion", motion)


@pytest.mark.parametrize("file", NETS)
def test_gradients(file: Golden) -> None:
    """With the mask that the description names, and the weights of the two losses that it names."""
    told = file.what("grad.norms")
    found = re.search(r"mse\(spatial,.*\+ ([\d.]+)\*mse\(motion,.*with the (\w+) mask", told)
    assert found, told
    names = file.entry["param_order"]
    predicted = model(file)(video(file), mask(file, f"{found[2]}."))
    losses = []
    for name, value in predicted._asdict().items():
        target = goldens.weight(file.entry["salt"], f"target.{name}", tuple(value.shape))
        losses.append((value - target).square().mean())
    file.close("grad.losses", torch.stack(losses), rtol=1e-4)
    model(file).zero_grad()
    (losses[0] + float(found[1]) * losses[1]).backward()
    gradients = {name: parameter.grad for name, parameter in model(file).named_parameters()}
    assert gradients.keys() == set(names)
    norms = torch.stack([gradients[name].norm() for name in names])  # type: ignore[union-attr]  # all have one
    tiny = 1e-5 * norms.max().item()  # key biases have a gradient of 0, up to rounding
    file.close("grad.norms", norms, rtol=file.tolerance("grad", "relative "), atol=tiny)


@pytest.mark.parametrize("file", NETS)
def test_names_shapes_and_values_match_the_fingerprints(file: Golden) -> None:
    file.check_fingerprints(model(file))


@pytest.mark.parametrize("file", FINETUNED)
def test_fine_tuned_features_and_logits(file: Golden) -> None:
    made = file.constructor
    classifier = Classifier(EncoderConfig(**encoder_arguments(made)), made["num_classes"])
    state = classifier.state_dict()
    for name, value in state.items():
        if name != "pos_embed":
            own = name.startswith(("fc_norm.", "head."))
            official = name if own else f"encoder.{name}"
            state[name] = goldens.weight(file.entry["salt"], official, tuple(value.shape))
    classifier.load_state_dict(state)
    with torch.no_grad():
        for index, layer in enumerate(classifier.layers(video(file))):
            close(file, f"block{index}", layer)
        file.close("pooled", classifier.pooled(video(file)), atol=file.tolerance("all"))
        file.close("logits", classifier.logits(video(file)), atol=file.tolerance("all"))
