from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.shared.configured import configured
from vgmae_bench.training.schedule import MovingAverage, lr_factor, parameter_groups
from vgmae_bench.training.settings import LoopConfig


def test_linear_warm_up_then_half_a_cosine() -> None:
    factors = [lr_factor(step, warmup=4, steps=12) for step in range(12)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[8] == pytest.approx(0.5)
    assert lr_factor(12, warmup=4, steps=12) == pytest.approx(0.0)
    assert factors[4:] == sorted(factors[4:], reverse=True)


def test_the_learning_rate_may_stay() -> None:
    assert [lr_factor(step, 2, 4, "constant") for step in range(4)] == [0.5, 1.0, 1.0, 1.0]


def test_the_learning_rate_may_be_meant_for_another_batch() -> None:
    assert configured(LoopConfig, lr=1e-3, batch_size=128).peak_lr == 1e-3
    assert configured(LoopConfig, lr=1e-3, batch_size=128, lr_base_batch=256).peak_lr == 5e-4


def test_only_1d_parameters_and_biases_have_no_weight_decay() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 3)
            self.norm = nn.LayerNorm(3)
            self.token = nn.Parameter(torch.zeros(1, 1, 3))
            self.bias = nn.Parameter(torch.zeros(2, 2))
            self.table_bias = nn.Embedding(2, 2)
            self.frozen = nn.Linear(2, 2).requires_grad_(False)

    model = Model()
    model.table_bias.bias = nn.Parameter(torch.zeros(2, 2))
    kept, decayed = parameter_groups(model, 0.05)
    assert (kept["weight_decay"], decayed["weight_decay"]) == (0.0, 0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert [names[id(p)] for p in kept["params"]] == ["linear.bias", "norm.weight", "norm.bias", "table_bias.bias"]
    assert [names[id(p)] for p in decayed["params"]] == ["token", "bias", "linear.weight", "table_bias.weight"]


@pytest.mark.parametrize(("updates", "share"), [(1, 9 / 11), (8, 0.5), (100, 0.25)])
def test_the_average_forgets_its_first_weights(updates: int, share: float) -> None:
    for warmup, expected in ((True, share), (False, 0.25)):
        model = nn.Linear(3, 1, bias=False)
        nn.init.zeros_(model.weight)
        average = MovingAverage(model, 0.75, warmup)
        average.n_averaged += updates
        nn.init.ones_(model.weight)
        average.update_parameters(model)
        torch.testing.assert_close(average.module.weight, torch.full((1, 3), expected))
