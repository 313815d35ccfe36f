"""The network's sizes, positions and limits. tests/golden compares official outputs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from vgmae_baselines.trackmae.network import (
    SIZES,
    Classifier,
    EncoderConfig,
    Heads,
    NetworkConfig,
    TrackMAE,
    positions,
    sinusoids,
    split,
    tubelets,
)

from tests.baselines.trackmae.sliding import NETWORK
from vgmae_bench.errors import UsageError


def on_meta(size: str, heads: Heads) -> TrackMAE:
    with torch.device("meta"):
        return TrackMAE(SIZES[size], heads)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("size", "encoder", "spatial", "motion", "bridge"),
    [
        ("small", 21.885, 2.076, 1.781, 73_728),
        ("base", 86.236, 7.690, 7.102, 294_912),
        ("large", 303.885, 13.399, 12.615, 524_288),
    ],
)
def test_sizes_have_as_many_parameters_as_published_ones(
    size: str, encoder: float, spatial: float, motion: float, bridge: int
) -> None:
    model = on_meta(size, Heads(1536, 8))
    parts = {model.encoder: encoder, model.decoder: spatial, model.tracker_decoder: motion}
    for part, millions in parts.items():
        assert count(part) / 1e6 == pytest.approx(millions, abs=6e-4)
    assert count(model.encoder_to_decoder) == count(model.encoder_to_tracker) == bridge


def test_state_dicts_have_the_official_number_of_entries() -> None:
    model = on_meta("base", Heads(1536, 8))
    assert (len(model.state_dict()), count(model)) == (257, 101_618_312)
    assert count(on_meta("base", Heads(768, 8))) == 101_322_632
    with torch.device("meta"):
        classifier = Classifier(EncoderConfig(), 400)
    assert (len(classifier.state_dict()) - 1, count(classifier)) == (150, 86_544_016)  # its table is not stored there


def test_positions_are_one_dimensional_over_the_flattened_index() -> None:
    table = sinusoids(1568, 768)[0]
    near = [F.cosine_similarity(table[0], table[other], dim=0).item() for other in (1, 14, 196)]
    assert near == pytest.approx([0.973, 0.657, 0.362], abs=6e-4)


@pytest.mark.parametrize(("hidden", "shown"), [(156, 40), (176, 20)])
def test_only_hidden_tokens_are_predicted(hidden: int, shown: int) -> None:
    config = replace(SIZES["small"], depth=1, decoder_depth=1, motion_decoder_depth=1)
    model = TrackMAE(config, Heads(1536, 8))
    mask = (torch.arange(196) < hidden).repeat(8)[None]
    with torch.no_grad():
        spatial, motion = model(torch.zeros(1, 3, 16, 224, 224), mask)
    assert spatial.shape == (1, 8 * hidden, 1536) and motion.shape == (1, 8 * hidden, 8)
    assert split(mask, 1568)[0].shape == (1, 8 * shown)


def model() -> TrackMAE:
    torch.manual_seed(0)
    return TrackMAE(NETWORK, Heads(NETWORK.patch_values, 8)).eval()


def video() -> torch.Tensor:
    return torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))


def some_hidden() -> torch.Tensor:
    return (torch.arange(16) % 3 > 0).repeat(4)[None]


def test_only_predicted_targets_have_a_decoder() -> None:
    both = model()
    for heads in (Heads(both.heads.spatial, 0), Heads(0, 8)):
        one = TrackMAE(NETWORK, heads)
        one.load_state_dict({name: value for name, value in both.state_dict().items() if name in one.state_dict()})
        predicted, expected = one(video(), some_hidden()), both(video(), some_hidden())
        for own, its in zip(predicted, expected, strict=True):
            assert own is None or torch.equal(own, its)
        assert [part is None for part in predicted] == [not heads.spatial, not heads.motion]
    assert torch.equal(both.predict_motion(video(), some_hidden()), expected.motion)
    with pytest.raises(ValueError, match="nothing to predict"):
        TrackMAE(NETWORK, Heads(0, 0))


def test_visible_tokens_are_predicted_only_on_request() -> None:
    nothing = torch.zeros(1, NETWORK.num_tokens, dtype=torch.bool)
    with pytest.raises(ValueError, match="was not trained"):
        model()(video(), nothing)
    assert model()(video(), nothing, allow_untrained=True).motion.shape == (1, NETWORK.num_tokens, 8)


@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(1, 64, dtype=torch.bool),
        torch.zeros(1, 64),
        torch.zeros(1, 63, dtype=torch.bool),
        torch.tensor([[True] + [False] * 63, [True] * 2 + [False] * 62]),
    ],
)
def test_impossible_masks_are_refused(mask: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="mask"):
        split(mask, 64)


def test_clips_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="is not"):
        model()(torch.zeros(1, 3, 8, 32, 40), some_hidden())


def test_masked_patches_do_not_reach_the_encoder() -> None:
    changed = video()
    hidden = some_hidden().view(4, 4, 4)
    pixels = hidden.repeat_interleave(2, 0).repeat_interleave(8, 1).repeat_interleave(8, 2)
    changed[:, :, pixels] = 9
    for one, other in zip(model()(video(), some_hidden()), model()(changed, some_hidden()), strict=True):
        assert torch.equal(one, other)
    assert (tubelets(changed, NETWORK)[some_hidden()] == 9).all()


def test_key_biases_do_not_matter() -> None:
    biased = model()
    for block in [*biased.encoder.blocks, *biased.decoder.blocks, *biased.tracker_decoder.blocks]:
        torch.nn.init.normal_(block.attn.qkv.bias)
    before = biased(video(), some_hidden())
    for block in [*biased.encoder.blocks, *biased.decoder.blocks, *biased.tracker_decoder.blocks]:
        torch.nn.init.zeros_(block.attn.qkv.bias.detach().chunk(3)[1])
    for one, other in zip(before, biased(video(), some_hidden()), strict=True):
        torch.testing.assert_close(one, other, atol=5e-6, rtol=0)


@pytest.mark.parametrize(
    "change", [{"image_size": 30}, {"num_frames": 7}, {"num_heads": 5}, {"decoder_num_heads": 3}, {"depth": 0}]
)
def test_inconsistent_sizes_are_usage_errors(change: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        NetworkConfig(**{**vars(NETWORK), **change})


def test_factored_positions_are_equally_similar_for_all_neighbours() -> None:
    config = SIZES["tiny"]
    assert config.position == "factored"
    table = positions(config, 96)[0]
    near = torch.stack([F.cosine_similarity(table[0], table[other], dim=0) for other in (1, config.grid, config.tubes)])
    assert near.min() > 0.9
    assert F.cosine_similarity(table[0], table[-1], dim=0) < near.min()
    flat = positions(replace(config, position="flattened"), 96)
    assert torch.equal(flat, sinusoids(config.num_tokens, 96))


def test_initial_values_are_set_in_encoder_and_decoders() -> None:
    made = TrackMAE(SIZES["tiny"], Heads(384, 8))
    for block in (*made.encoder.blocks, *made.decoder.blocks, *made.tracker_decoder.blocks):
        query, key, _ = block.attn.qkv.weight.detach().chunk(3)
        assert torch.equal(query, key)
    plain = TrackMAE(replace(SIZES["tiny"], patch_start="random"), Heads(384, 8))
    change = torch.cat([torch.ones(64), -torch.ones(64)]).repeat(
        3
    )  # between the two frames of a tubelet, over all pixels
    ratios = []
    for network in (made, plain):
        tubelet = network.encoder.patch_embed.proj.weight.detach().flatten(1)
        ratios.append((tubelet @ change).norm() / (tubelet @ change.abs()).norm())
    assert ratios[0] > 2 * ratios[1]


def test_factored_positions_need_a_width_that_divides() -> None:
    with pytest.raises(UsageError, match="decoder_embed_dim must be a multiple of 16"):
        replace(SIZES["tiny"], decoder_embed_dim=56)


def test_the_motion_of_all_tokens_ends_with_that_of_the_masked_tokens() -> None:
    config = replace(SIZES["tiny"], depth=1, decoder_depth=1, motion_decoder_depth=1)
    made = TrackMAE(config, Heads(384, 8)).eval()
    video = torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(64) < 40).repeat(4).expand(2, -1)
    with torch.no_grad():
        masked, every = made(video, mask).motion, made(video, mask, motion_of_all=True).motion
    assert every.shape == (2, 256, 8)
    torch.testing.assert_close(every[:, -masked.shape[1] :], masked)
