"""Properties of the readout; its outputs are in tests/golden."""

from __future__ import annotations

import math

import pytest
import torch

from tests.videogmae.test_network import SMALL, clip
from vgmae_bench.config import build
from vgmae_bench.errors import UsageError
from vgmae_bench.models.readout import CrossAttentionReadout, ReadoutConfig, fourier_encode
from vgmae_bench.videogmae.readout import ReadoutTracker


def tracker(**settings: object) -> ReadoutTracker:
    torch.manual_seed(0)
    model = ReadoutTracker(SMALL, ReadoutConfig(**{"heads": 4, **settings})).eval()  # type: ignore[arg-type]  # by name
    torch.nn.init.normal_(model.readout.enc_temporal_embed)  # zero when new, which would hide its order
    return model


def queries(count: int) -> torch.Tensor:
    return torch.rand(2, count, 3, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_shapes_and_ranges() -> None:
    positions, occlusion = tracker()(clip(), queries(7))
    assert positions.shape == (2, 7, 3, 2)
    assert occlusion.shape == (2, 7, 3)
    assert all(float(values.min()) > 0 and float(values.max()) < 1 for values in (positions, occlusion))


@torch.no_grad()
def test_an_empty_set_of_queries_gives_empty_tracks() -> None:
    positions, occlusion = tracker()(clip(), queries(0))
    assert positions.shape == (2, 0, 3, 2) and occlusion.shape == (2, 0, 3)


@torch.no_grad()
def test_chunks_and_other_queries_do_not_change_a_track() -> None:
    model, points = tracker(), queries(7)
    whole, _ = model(clip(), points)
    torch.testing.assert_close(model(clip(), points, points_at_once=2)[0], whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(model(clip(), points[:, 3:4])[0], whole[:, 3:4], atol=1e-6, rtol=0)


@torch.no_grad()
def test_token_order_matters_only_without_unshuffling() -> None:
    order = torch.randperm(48, generator=torch.Generator().manual_seed(5)).expand(2, -1)
    for unshuffle in (True, False):
        model = tracker(unshuffle=unshuffle)
        change = (model(clip(), queries(4), order)[0] - model(clip(), queries(4))[0]).abs().max()
        assert change < 1e-5 if unshuffle else change > 1e-5


@torch.no_grad()
def test_it_reads_tokens_of_any_encoder_and_any_subset() -> None:
    readout = CrossAttentionReadout(ReadoutConfig(heads=2), width=24, slots=5, grid=2, num_frames=6).eval()
    tokens = torch.randn(1, 20, 24)
    assert readout(tokens, queries(3)[:1])[0].shape == (1, 3, 6, 2)
    kept = torch.tensor([[1, 5, 7]])
    assert readout(tokens[:, kept[0]], queries(3)[:1], kept)[0].shape == (1, 3, 6, 2)


def test_fourier_features_are_octaves_per_coordinate() -> None:
    x = torch.tensor([[0.25, 0.1]])
    expected = [f(v * 2**k * math.pi) for v in (0.25, 0.1) for f in (math.sin, math.cos) for k in range(3)]
    torch.testing.assert_close(fourier_encode(x, 6), torch.tensor([expected]), atol=1e-6, rtol=0)


def test_every_parameter_is_trained_and_dropout_acts_in_training_only() -> None:
    model = tracker().train()
    positions, occlusion = model(clip(), queries(4))
    (positions.sum() + occlusion.sum()).backward()
    untouched = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert untouched == set()
    deeper = tracker(mlps=2, query_feature="both").train()
    deeper(clip(), queries(4))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in deeper.readout.parameters())
    assert not torch.equal(model(clip(), queries(4))[0], positions)
    model.eval()
    assert torch.equal(model(clip(), queries(4))[0], model(clip(), queries(4))[0])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="fourier_features"):
        ReadoutConfig(fourier_features=0)
    with pytest.raises(UsageError, match="head"):
        ReadoutConfig(heads=0)
    with pytest.raises(UsageError, match="heads"):
        ReadoutTracker(SMALL, ReadoutConfig(heads=5))


OURS = {"predict": "displacement", "query_feature": "both"}


def awake(**settings: object) -> ReadoutTracker:
    """A readout with outputs that are not zero, as after training."""
    model = tracker(**settings)
    torch.nn.init.normal_(model.readout.output_proj.weight)
    return model


@torch.no_grad()
def test_an_untrained_displacement_readout_predicts_no_motion() -> None:
    model, asked = tracker(**OURS), queries(5)
    positions, occlusion = model(clip(), asked)
    torch.testing.assert_close(positions, asked[:, :, None, [2, 1]].expand(-1, -1, 3, -1))
    assert (occlusion == 0.5).all()


@torch.no_grad()
def test_displacements_are_in_patches() -> None:
    model, asked = tracker(**OURS), queries(5)
    model.readout.output_proj.bias.copy_(torch.tensor([1.0, -2.0, 0.0]))
    moved = model(clip(), asked)[0] - asked[:, :, None, [2, 1]]
    torch.testing.assert_close(moved * SMALL.grid, torch.tensor([1.0, -2.0]).expand_as(moved), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_query_uses_its_image_feature_only_if_enabled() -> None:
    """Keys and values are zero, so that the output depends only on the query."""
    cell = 1 / SMALL.grid
    asked = torch.tensor([[0.0, 1.5 * cell, 0.5 * cell], [0.0, 0.5 * cell, 1.5 * cell]]).expand(2, -1, -1)  # (t, y, x)
    tokens = torch.randn(2, SMALL.num_tokens, SMALL.embed_dim, generator=torch.Generator().manual_seed(3))
    changed = tokens.clone()
    changed[:, SMALL.grid] += torch.randn(SMALL.embed_dim, generator=torch.Generator().manual_seed(4))
    for feature in ("none", "first", "both"):
        readout = awake(query_feature=feature).readout
        readout.cross_attn.out_proj.weight.zero_()
        difference = (readout(changed, asked)[0] - readout(tokens, asked)[0]).abs().amax(dim=(0, 2, 3))
        assert (difference > 1e-4).tolist() == [feature != "none", False]


@torch.no_grad()
@pytest.mark.parametrize(("slots", "frames"), [(3, [4, 5]), (6, [4])])
def test_the_target_feature_lets_a_query_see_the_target_frame(slots: int, frames: list[int]) -> None:
    """Keys and values are zero. A token of two frames is used for both."""
    config = ReadoutConfig(heads=2, query_feature="both", predict="displacement")
    readout = CrossAttentionReadout(config, width=24, slots=slots, grid=2, num_frames=6).eval()
    torch.nn.init.normal_(readout.output_proj.weight)
    readout.cross_attn.out_proj.weight.zero_()
    tokens = torch.randn(1, slots * 4, 24, generator=torch.Generator().manual_seed(3))
    changed = tokens.clone()
    changed[:, slots * 4 * 4 // 6, :12] += 1  # the first cell of the slot that holds frame 4
    asked = torch.tensor([[[0.0, 0.25, 0.25], [0.0, 0.75, 0.75]]])  # the centres of the first and the last cell
    difference = (readout(changed, asked)[0] - readout(tokens, asked)[0]).abs().amax(dim=3)[0]
    assert (difference[0] > 1e-4).nonzero().flatten().tolist() == frames
    assert not difference[1].any()


def test_old_boolean_values_of_query_feature_are_read() -> None:
    known = [
        build(ReadoutConfig, {"query_feature": said}, owner="test").query_feature for said in (False, True, "both")
    ]
    assert known == ["none", "first", "both"]


@torch.no_grad()
def test_tracks_do_not_depend_on_the_token_order_by_default() -> None:
    model = awake(**OURS)
    order = torch.stack([torch.randperm(SMALL.num_tokens, generator=torch.Generator().manual_seed(i)) for i in (0, 1)])
    for shuffled, straight in zip(model(clip(), queries(4), order), model(clip(), queries(4)), strict=True):
        torch.testing.assert_close(shuffled, straight, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_longer_windows_are_encoded_clip_by_clip_and_read_together() -> None:
    model = awake(windows=2, **OURS)
    video = torch.cat([clip(), clip().flip(2)], dim=2)
    positions, occlusion = model(video, queries(4))
    assert positions.shape == (2, 4, 6, 2) and occlusion.shape == (2, 4, 6)
    parts = [model.encode(part).latent for part in (clip(), clip().flip(2))]
    torch.testing.assert_close(positions, model.readout(torch.cat(parts, dim=1), queries(4))[0])
    order = torch.stack([torch.randperm(SMALL.num_tokens, generator=torch.Generator().manual_seed(i)) for i in (0, 1)])
    torch.testing.assert_close(model(video, queries(4), order)[0], positions, atol=1e-4, rtol=1e-4)
    later = video.clone()
    later[:, :, 4] += 1
    assert not torch.allclose(model(later, queries(4))[0], positions, atol=1e-4)
    with pytest.raises(UsageError, match="windows"):
        ReadoutConfig(windows=0)


def test_displacements_learn_motion_before_positions_do() -> None:
    """One clip that moves by exactly 1.5 pixels per frame, a frozen random encoder, 40 steps with each setting."""
    start = torch.rand(1, 24, 1, 2, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.1
    xy = start + torch.arange(3)[:, None] * 1.5 / 16
    asked = torch.cat([torch.zeros(1, 24, 1), xy[:, :, 0].flip(-1)], dim=-1)
    errors = []
    for predict in ("position", "displacement"):
        model = tracker(predict=predict)
        optimizer = torch.optim.AdamW(model.readout.parameters(), lr=2e-3)
        for _ in range(40):
            positions, _ = model(clip()[:1], asked)
            optimizer.zero_grad()
            (positions - xy).square().mean().backward()
            optimizer.step()
        errors.append(
            float((positions - xy).detach()[:, :, -1].norm(dim=-1).mean()) * 16
        )  # of 3 pixels that points move
    assert errors[1] < 0.5 and errors[0] > 1
