"""The network's shape, symmetry and windows. tests/golden compares it with the official network."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from vgmae_baselines.gmrw.network import GMRW, NetworkConfig
from vgmae_baselines.gmrw.windows import window_positions, within_windows

from tests.baselines.gmrw.published import transform, window_attention
from vgmae_bench.errors import UsageError

SMALL = NetworkConfig(feature_channels=16, layers=2, ffn_expansion=2, stem_channels=(8, 12, 16))


def network(config: NetworkConfig = SMALL, seed: int = 0) -> GMRW:
    torch.manual_seed(seed)
    return GMRW(config).eval()


def images(height: int, width: int, count: int = 2) -> Tensor:
    return torch.randn(count, 1, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_the_released_size() -> None:
    model = GMRW(NetworkConfig())
    assert len(model.state_dict()) == 116
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_346_912
    assert not list(model.buffers())
    for part, count in ((model.backbone, 1_196_576), (model.transformer.layers[0], 525_056)):
        assert sum(parameter.numel() for parameter in part.parameters()) == count


@pytest.mark.parametrize(
    "change",
    [{"feature_channels": 24}, {"layers": 3}, {"ffn_expansion": 1}, {"splits": 3}, {"stem_channels": (4, 4, 4)}],
)
def test_any_size_works(change: dict[str, Any]) -> None:
    config = replace(SMALL, **change)
    a, b = network(config)(*images(32, 48))
    assert a.shape == b.shape == (1, config.feature_channels, 8, 12)


@pytest.mark.parametrize(
    "change", [{"feature_channels": 18}, {"layers": 0}, {"stem_channels": (8, 0, 8)}, {"splits": -1}, {"tau": 0.0}]
)
def test_sizes_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(SMALL, **change)


@pytest.mark.parametrize("size", [(64, 64), (40, 56), (37, 51)])
@torch.no_grad()
def test_exchanged_frames_give_exchanged_features(size: tuple[int, int]) -> None:
    model, (a, b) = network(), images(*size)
    fa, fb = model(a, b)
    back_b, back_a = model(b, a)
    assert torch.equal(fa, back_a)
    assert torch.equal(fb, back_b)
    assert not torch.allclose(fa, fb, atol=0.1)


@torch.no_grad()
def test_frames_are_encoded_independently() -> None:
    model, (a, b) = network(), images(32, 40)
    together = model.backbone_features(torch.cat([a, b]))
    torch.testing.assert_close(together, torch.cat([model.backbone_features(a), model.backbone_features(b)]))


@torch.no_grad()
def test_a_pair_does_not_depend_on_the_others_of_its_batch() -> None:
    model = network()
    a, b, c, d = images(32, 40, count=4)
    fa, fb = model(torch.cat([a, c]), torch.cat([b, d]))
    for pair, (first, second) in enumerate(((a, b), (c, d))):
        alone = model(first, second)
        torch.testing.assert_close(fa[pair], alone[0][0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fb[pair], alone[1][0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("splits", [2, 3])
@torch.no_grad()
def test_window_attention_equals_masked_attention_of_rolled_maps(splits: int) -> None:
    q, k, v = torch.randn(3, 2, 12, 18, 8, generator=torch.Generator().manual_seed(0))

    def attend(tokens: Tensor) -> Tensor:
        queries, keys, values = tokens.chunk(3, dim=-1)
        scores = queries @ keys.transpose(1, 2) / 8**0.5
        return torch.cat([scores.softmax(dim=-1) @ values, keys, values], dim=-1)

    for shifted in (False, True):
        ours = within_windows(attend, torch.cat([q, k, v], dim=-1), splits, shifted=shifted)[..., :8]
        masked = window_attention(q, k, v, splits, shifted=shifted)
        torch.testing.assert_close(ours, masked, atol=1e-5, rtol=1e-5)
        unmasked = window_attention(q, k, v, splits, shifted=shifted, masked=False)
        assert torch.allclose(ours, unmasked, atol=1e-5) != shifted


@torch.no_grad()
def test_the_transformer_equals_its_published_form() -> None:
    model = network(replace(SMALL, layers=3))
    features = model.backbone_features(torch.cat(list(images(64, 96))))
    positions = window_positions(16, 24, 16, 2)
    published = transform(model, features + positions).permute(0, 3, 1, 2)
    a, b = model.match(features[:1], features[1:])
    torch.testing.assert_close(torch.cat([a, b]), published, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(13, 18), (12, 17), (7, 9), (3, 2), (1, 2)])
@torch.no_grad()
def test_maps_of_odd_size_equal_padded_maps_with_masked_padding(size: tuple[int, int]) -> None:
    """In the padded map, a cell attends to the real cells of its window and region."""
    splits = 2
    height, width = size
    windows = [-(-side // splits) for side in size]
    tokens = torch.randn(2, height, width, 6, generator=torch.Generator().manual_seed(0))

    def attend(part: Tensor) -> Tensor:
        return (part @ part.transpose(1, 2)).softmax(dim=-1) @ part

    for shifted in (False, True):
        regions = [
            [(place + (window - window // 2 if shifted else 0)) // window for place in range(side)]
            for side, window in zip(size, windows, strict=True)
        ]
        cells = list(product(range(height), range(width)))
        region = torch.tensor([regions[0][row] * 100 + regions[1][column] for row, column in cells])
        flat = tokens.flatten(1, 2)
        scores = flat @ flat.transpose(1, 2)
        scores = scores.masked_fill(region[:, None] != region[None, :], -torch.inf)
        expected = (scores.softmax(dim=-1) @ flat).view(tokens.shape)
        ours = within_windows(attend, tokens.clone(), splits, shifted=shifted)
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(250, 30), (41, 64), (9, 8)])
@torch.no_grad()
def test_any_frame_size_works(size: tuple[int, int]) -> None:
    a, b = network()(*images(*size))
    assert a.shape == b.shape == (1, 16, -(-size[0] // 4), -(-size[1] // 4))
    assert a.isfinite().all() and b.isfinite().all()


@torch.no_grad()
def test_position_codes_restart_in_every_window() -> None:
    positions = window_positions(8, 12, 16, 2)
    assert torch.equal(positions[:, :4], positions[:, 4:])
    assert torch.equal(positions[:, :, :6], positions[:, :, 6:])
    assert len(positions[:, :4, :6].flatten(1).T.unique(dim=0)) == 24


def test_chunks_of_the_mlp_change_neither_features_nor_gradients() -> None:
    model = network()
    features = model.backbone_features(torch.cat(list(images(40, 32)))).detach()
    results = []
    for tokens in (None, 1, 7, 1000):
        inputs = features.clone().requires_grad_()
        a, b = model.match(inputs[:1], inputs[1:], tokens)
        (a * b).sum().backward()
        results.append((a.detach(), inputs.grad))
    for found in results[1:]:
        for ours, whole in zip(found, results[0], strict=True):
            torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


def test_without_gradients_the_input_features_are_unchanged() -> None:
    model = network()
    features = torch.randn(2, 16, 6, 6)
    before = features.clone()
    with torch.inference_mode():
        fast = model.match(features[:1], features[1:])
    assert torch.equal(features, before)
    torch.testing.assert_close(fast[0], model.match(features[:1], features[1:])[0])


def test_every_parameter_learns() -> None:
    model = network()
    a, b = model(*images(32, 32))
    (a * b).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_unit_length_and_temperature_are_for_ablations() -> None:
    assert NetworkConfig().temperature == 128**0.5
    assert replace(SMALL, tau=0.07).temperature == 0.07
    a, _ = network(replace(SMALL, features_l2=True))(*images(32, 32))
    torch.testing.assert_close(a.norm(dim=1), torch.ones(1, 8, 8))
