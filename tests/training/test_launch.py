from __future__ import annotations

import os
import signal

import pytest

from vgmae_bench.training.launch import World, launch, stoppable, world


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, World(1, 1)),
        ({"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, World(1, 1)),
        ({"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}, World(16, 2)),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "32", "SLURM_NNODES": "4"}, World(32, 4)),
        ({"SLURM_NTASKS": "32", "SLURM_NNODES": "4"}, World(1, 1)),
    ],
)
def test_how_many_train_together(environment: dict[str, str], expected: World) -> None:
    assert world(environment) == expected


def test_a_process_on_its_own() -> None:
    with launch("cpu", "fp32") as fabric:
        assert (fabric.world_size, fabric.is_global_zero, fabric.device.type) == (1, True, "cpu")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_leaves_word_and_the_second_is_as_ever(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stoppable() as interrupt:
        assert not interrupt.asked
        os.kill(os.getpid(), number)
        assert interrupt.asked
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before
