"""TrackMAE's network and its fine-tuned form equal those of the official code, gradients included."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vgmae_baselines.trackmae.network import Classifier, EncoderConfig, Heads, NetworkConfig, TrackMAE, split

from tests.golden import goldens

NET, FINETUNED = "tm_net.npz", "tm_finetune.npz"


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
def model() -> TrackMAE:
    made = goldens.entry(NET)["constructor"]
    heads = Heads(made["decoder_num_classes"], made["tracker_decoder_num_classes"])
    network = TrackMAE(network_config(made), heads)
    goldens.fill_by_rule(network, NET)
    return network


def close(file: str, name: str, ours: Tensor) -> None:
    official = goldens.arrays(file)[name]
    atol = float(goldens.entry(file)["tolerance"]["all"].removeprefix("atol "))
    np.testing.assert_allclose(ours.detach().numpy(), official, atol=atol, rtol=0, err_msg=name)


def video(file: str) -> Tensor:
    return goldens.normalised_video(goldens.arrays(file)["video_u8"])


def mask(case: str) -> Tensor:
    return torch.from_numpy(goldens.arrays(NET)[f"{case}.mask"]).bool()


def test_the_tables_are_the_official_ones() -> None:
    stored = goldens.arrays(NET)
    for name in goldens.entry(NET)["fixed_tables"]:
        np.testing.assert_allclose(model().state_dict()[name], stored[f"table.{name}"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", ["tube", "random", "none"])
def test_outputs(case: str) -> None:
    with torch.no_grad():
        shown, _ = split(mask(case), model().config.num_tokens)
        for index, layer in enumerate(model().encoder.layers(video(NET), shown)):
            close(NET, f"{case}.block{index}", layer)
        close(NET, f"{case}.encoder", model().encoder(video(NET), shown))
        spatial, motion = model()(video(NET), mask(case), allow_untrained=case == "none")
    first = goldens.arrays(NET)[f"{case}.spatial"].shape[1]
    close(NET, f"{case}.spatial", spatial[:, :first])
    close(NET, f"{case}.spatial_token_mean", spatial.mean(dim=-1))
    close(NET, f"{case}.spatial_token_std", spatial.std(dim=-1))
    close(NET, f"{case}.motion", motion)


def test_gradients() -> None:
    described, stored = goldens.entry(NET), goldens.arrays(NET)
    predicted = model()(video(NET), mask("tube"))
    losses = []
    for name, value in predicted._asdict().items():
        target = goldens.weight(described["salt"], f"target.{name}", tuple(value.shape))
        losses.append((value - target).square().mean())
    np.testing.assert_allclose(torch.stack(losses).detach(), stored["grad.losses"], rtol=1e-4)
    model().zero_grad()
    (losses[0] + 0.25 * losses[1]).backward()
    gradients = {name: parameter.grad for name, parameter in model().named_parameters()}
    assert gradients.keys() == set(described["param_order"])
    norms = torch.stack([gradients[name].norm() for name in described["param_order"]])
    rtol = float(described["tolerance"]["grad"].removeprefix("relative "))
    tiny = 1e-5 * norms.max().item()  # key biases have a gradient of 0, up to rounding
    np.testing.assert_allclose(norms, stored["grad.norms"], rtol=rtol, atol=tiny)


def test_fine_tuned_features_and_logits() -> None:
    described = goldens.entry(FINETUNED)
    made = described["constructor"]
    classifier = Classifier(EncoderConfig(**encoder_arguments(made)), made["num_classes"])
    state = classifier.state_dict()
    for name, value in state.items():
        if name != "pos_embed":
            own = name.startswith(("fc_norm.", "head."))
            state[name] = goldens.weight(described["salt"], name if own else f"encoder.{name}", tuple(value.shape))
    classifier.load_state_dict(state)
    with torch.no_grad():
        for index, layer in enumerate(classifier.layers(video(FINETUNED))):
            close(FINETUNED, f"block{index}", layer)
        close(FINETUNED, "pooled", classifier.pooled(video(FINETUNED)))
        close(FINETUNED, "logits", classifier.logits(video(FINETUNED)))
