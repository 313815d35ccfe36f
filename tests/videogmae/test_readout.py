"""Properties of the readout; its outputs are in tests/golden."""

from __future__ import annotations

import math

import pytest
import torch

from tests.videogmae.test_network import SMALL, clip
from vgmae_bench.errors import UsageError
from vgmae_bench.videogmae.readout import CrossAttentionReadout, ReadoutConfig, ReadoutTracker, fourier_encode


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
def test_no_queries_no_answers() -> None:
    positions, occlusion = tracker()(clip(), queries(0))
    assert positions.shape == (2, 0, 3, 2) and occlusion.shape == (2, 0, 3)


@torch.no_grad()
def test_chunks_and_other_points_do_not_change_an_answer() -> None:
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
    readout = CrossAttentionReadout(ReadoutConfig(heads=2), width=24, num_tokens=20, num_frames=6).eval()
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
