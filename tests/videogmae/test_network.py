"""Sizes, masking, orders and attention of the network. tests/golden compares its outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vgmae_bench.errors import UsageError
from vgmae_bench.models.readout import OFFICIAL
from vgmae_bench.videogmae.network import SIZES, Encoder, NetworkConfig, VideoGMAE, pixel_mask
from vgmae_bench.videogmae.readout import ReadoutTracker

SMALL = NetworkConfig(
    image_size=16,
    patch_size=4,
    num_frames=3,
    num_gaussians=5,
    embed_dim=32,
    depth=2,
    num_heads=4,
    decoder_embed_dim=32,
    decoder_depth=2,
    decoder_num_heads=2,
)


def small(seed: int = 0, **changes: Any) -> VideoGMAE:
    torch.manual_seed(seed)
    return VideoGMAE(replace(SMALL, **changes)).eval()


def clip(seed: int = 1) -> Tensor:
    return torch.randn(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def orders() -> Tensor:
    """Orders of the tokens of two clips."""
    return torch.stack([torch.randperm(48, generator=torch.Generator().manual_seed(seed)) for seed in range(2)])


def inventory(model: nn.Module) -> tuple[int, int]:
    """Tensors and elements of the state dict."""
    values = model.state_dict().values()
    return len(values), sum(value.numel() for value in values)


def test_inventories_are_those_of_the_released_models() -> None:
    """Counts of the official models: ViT-B zero-shot, ViT-L with 3-D tables, ViT-L fine-tuned."""
    with torch.device("meta"):
        assert inventory(VideoGMAE(SIZES["base"])) == (255, 113_630_464)
        assert inventory(VideoGMAE(replace(SIZES["large"], position="pos3d"))) == (398, 335_766_528)
        assert inventory(ReadoutTracker(SIZES["large"], OFFICIAL)) == (316, 319_869_955)


def test_the_tiny_size_is_small_enough_to_train_on_a_cpu() -> None:
    model = VideoGMAE(SIZES["tiny"])
    assert sum(parameter.numel() for parameter in model.parameters()) < 1e6
    video = torch.zeros(1, 3, 2, 32, 32)
    with torch.no_grad():
        assert model(video).shape == (1, 2, 64, 14)


@pytest.mark.parametrize(("ratio", "kept"), [(0.95, 156), (0.9, 313), (0.0, 3136)])
def test_numbers_of_kept_tokens_are_the_official_ones(ratio: float, kept: int) -> None:
    """int(L (1 - ratio)) in double precision: 313, not 314, at 0.9."""
    config = NetworkConfig(embed_dim=16, depth=1, num_heads=1, image_size=28, patch_size=2)
    assert config.num_tokens == 3136
    encoded = Encoder(config).encode(torch.zeros(1, 3, 16, 28, 28), ratio, torch.arange(3136)[None])
    assert encoded.latent.shape == (1, kept, 16)
    assert encoded.kept.shape == (1, kept)
    assert int((~encoded.mask).sum()) == kept


def test_masking_keeps_the_first_tokens_of_each_clips_order() -> None:
    encoded = small().encode(clip(), 0.5, orders())
    assert torch.equal(encoded.kept, orders()[:, :24])
    assert torch.equal(encoded.mask.logical_not().nonzero()[:, 1].view(2, -1), encoded.kept.sort(dim=1).values)


@torch.no_grad()
def test_inference_is_bit_identical_whatever_the_seed() -> None:
    model = small()
    torch.manual_seed(0)
    first = model(clip())
    torch.manual_seed(1)
    assert torch.equal(model(clip()), first)


@torch.no_grad()
@pytest.mark.parametrize("position", ["interpolate", "pos3d"])
def test_order_permutes_latents_and_matters_to_a_causal_decoder_alone(position: str) -> None:
    order = orders()
    for attention in ("causal", "frame_causal", "bidirectional"):
        model = small(position=position, decoder_attention=attention)
        raster, shuffled = model.encode(clip()), model.encode(clip(), order=order)
        picked = raster.latent.gather(1, order[..., None].expand_as(raster.latent))
        torch.testing.assert_close(shuffled.latent, picked, atol=1e-5, rtol=1e-4)
        change = (model.decode(raster) - model.decode(shuffled)).abs().max()
        assert change > 1e-4 if attention == "causal" else change < 1e-5


@pytest.mark.parametrize(
    ("attention", "seen"),
    [("causal", [7]), ("frame_causal", [5, 6, 7, 8, 9]), ("bidirectional", list(range(15)))],
)
def test_queries_see_what_their_attention_allows(attention: str, seen: list[int]) -> None:
    """Query 7 is the third of frame 1. Its output depends on earlier frames and on `seen`, and on nothing else."""
    model = small(decoder_attention=attention)
    encoded = model.encode(clip())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.decoder_pos_embed_gaussian.requires_grad_(True)
    model.decode(encoded).flatten(1, 2)[:, 7].sum().backward()
    gradient = model.decoder_pos_embed_gaussian.grad
    assert gradient is not None
    reached = set(gradient[0].abs().sum(dim=1).nonzero().flatten().tolist())
    assert reached == set(range(7)) | set(seen)


@pytest.mark.parametrize("decoder", ["per_frame", "per_identity"])
def test_latents_do_not_see_the_queries_in_frame_causal_attention(decoder: str) -> None:
    mask = small(decoder_attention="frame_causal", decoder=decoder)._frame_mask(4, torch.device("cpu"))
    assert len(mask) == 4 + (15 if decoder == "per_frame" else 5)
    assert mask[:4, :4].all() and not mask[:4, 4:].any() and mask[4:, :4].all()
    assert bool(mask[4:, 4:].all()) is (decoder == "per_identity")  # all of whose queries are of one time


def test_one_query_per_identity_predicts_the_whole_trajectory() -> None:
    model = small(decoder="per_identity", decoder_attention="bidirectional")
    with torch.no_grad():
        x = model(clip())
    assert x.shape == (2, 3, 5, 14)
    assert (x[:, 0] != 0).all() and (x[:, 1:][..., [0, 1, 2, 10, 11, 12]] != 0).all()
    assert not x[:, 1:, :, 3:10].any() and not x[:, 1:, :, 13].any()
    with torch.no_grad():  # the motion of Gaussian 3 into frame 2 and nothing else comes from these rows of the head
        model.linear_motion.weight[6:] *= 2
        changed = model(clip())
    torch.testing.assert_close(changed[:, 2], 2 * x[:, 2])
    assert torch.equal(changed[:, :2], x[:, :2])


def test_our_switches_add_to_the_official_state_dict_and_nothing_else_does() -> None:
    def names(**changes: Any) -> set[str]:
        return set(small(**changes).state_dict())

    official = names()
    assert names(decoder="per_identity") - official == {"linear_motion.weight"}
    assert names(query_position="anchored") - official == {"decoder_pos_embed_t", "decoder_pos_embed_anchor"}
    assert names(gaussian_start="grid") - official == {"gaussian_start"}
    everything = names(decoder="per_identity", query_position="anchored", gaussian_start="grid")
    assert official < everything and len(everything - official) == 4


@torch.no_grad()
@pytest.mark.parametrize("position", ["interpolate", "pos3d"])
def test_anchored_queries_encode_their_positions(position: str) -> None:
    """If all learned vectors are equal, free queries give equal outputs; anchored queries do not."""
    for query_position in ("learned", "anchored"):
        model = small(query_position=query_position, decoder_attention="bidirectional", position=position)
        model.decoder_pos_embed_gaussian[:] = 0
        x = model(clip())
        spread = (x - x[:, :1, :1]).abs().amax(dim=(0, 3))
        assert spread.max() < 1e-5 if query_position == "learned" else spread.flatten()[1:].min() > 1e-3


@pytest.mark.parametrize("position", ["interpolate", "pos3d"])
def test_every_parameter_is_trained_with_our_switches_too(position: str) -> None:
    model = small(decoder="per_identity", query_position="anchored", gaussian_start="grid", position=position)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    for _ in range(2):  # a head of zeros passes no gradient on in the first step
        optimizer.zero_grad()
        (model.decode(model.encode(clip(), 0.5, orders())) - 1).square().sum().backward()
        optimizer.step()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    unused = set() if position == "interpolate" else {"cls_token"}
    assert {name for name, gradient in gradients.items() if gradient is None or not gradient.any()} == unused


def test_every_parameter_that_is_used_is_trained() -> None:
    model = small()
    model.decode(model.encode(clip(), 0.5, orders())).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert {name for name, _ in model.named_buffers()} == {"pos_embed", "pos_embed_t", "decoder_pos_embed"}


@torch.no_grad()
def test_initial_values() -> None:
    model = small(num_gaussians=100, embed_dim=192, decoder_embed_dim=128)
    assert 0.015 < float(model.mask_token.std()) < 0.025
    gaussian = model.decoder_pos_embed_gaussian
    assert abs(float(gaussian.mean()) - 0.5) < 0.01 and abs(float(gaussian.std()) - 12**-0.5) < 0.01
    weight = model.patch_embed.proj.weight
    bound = (6 / (192 + 3 * 4 * 4)) ** 0.5
    assert 0.95 * bound < float(weight.abs().max()) <= bound
    assert all(not value.any() for name, value in model.named_parameters() if name.endswith(".bias"))


@torch.no_grad()
def test_half_precision_by_autocast() -> None:
    model = small()
    exact = model(clip())
    with torch.autocast("cpu", torch.bfloat16):
        half = model(clip())
    assert 0 < (half.float() - exact).abs().max() < 0.2


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": 17},
        {"depth": 0},
        {"embed_dim": 30},
        {"num_heads": 3},
        {"decoder_num_heads": 5},
        {"embed_dim": 40, "position": "pos3d"},
        {"mlp_ratio": -1.0},
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes)).replace("num_heads", "embed_dim")):
        replace(SMALL, **changes)


def test_wrong_clips_and_orders_are_refused() -> None:
    model = small()
    with pytest.raises(ValueError, match="16"):
        model.encode(torch.zeros(1, 3, 3, 16, 20))
    with pytest.raises(ValueError, match="order"):
        model.encode(clip(), order=torch.arange(48)[None])
    with pytest.raises(ValueError, match="keeps 0"):
        model.encode(clip(), 0.999)
    with pytest.raises(ValueError, match="needs an order"):
        model.encode(clip(), 0.5)


def test_masked_tokens_are_squares_of_pixels() -> None:
    encoded = small().encode(clip(), 0.5, orders())
    pixels = pixel_mask(encoded.mask, SMALL)
    assert pixels.shape == (2, 3, 16, 16) and pixels.dtype == torch.bool
    for t, y, x in ((0, 0, 0), (1, 5, 15), (2, 15, 6)):
        assert torch.equal(pixels[:, t, y, x], encoded.mask[:, t * 16 + y // 4 * 4 + x // 4])
