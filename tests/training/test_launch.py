from __future__ import annotations

import os
import signal

import pytest
import torch

from tests.shared.processes import Started
from vgmae_bench.errors import UsageError
from vgmae_bench.training.launch import World, chosen_precision, launch, stoppable, world


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, World(1, 1)),
        ({"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, World(1, 1)),
        ({"WORLD_SIZE": "", "RANK": "x"}, World(1, 1)),
        ({"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8", "RANK": "15"}, World(16, 2)),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "32", "SLURM_NNODES": "4"}, World(32, 4)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NNODES": "1"}, World(2, 1)),
        ({"SLURM_NTASKS": "32", "SLURM_NNODES": "4"}, World(1, 1)),
    ],
)
def test_the_number_of_processes_is_read_from_the_environment(environment: dict[str, str], expected: World) -> None:
    assert world(environment) == expected


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two': it must be a whole number"),
        ({"WORLD_SIZE": "2"}, "RANK is not set"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "There are 2 processes, and this one is number 2"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "3", "SLURM_NNODES": "2"}, "3 processes on 2 machines"),
    ],
)
def test_contradictory_launch_variables_are_errors_of_one_line(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        world(environment)


def test_two_tasks_of_srun_train_together() -> None:
    """Like `srun -n 2`, which does not set SLURM_NTASKS_PER_NODE."""
    script = (
        "from vgmae_bench.training.launch import launch\nwith launch('cpu', 'fp32') as fabric: print(fabric.world_size)"
    )
    shared = {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
    shared |= {"SLURM_JOB_NAME": "train", "SLURM_JOB_ID": str(os.getpid())}
    shared |= {"SLURM_NODELIST": "localhost", "OMP_NUM_THREADS": "1"}
    started = [Started(program=script, env={**shared, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}) for rank in "01"]
    assert [process.wait(timeout=240).stdout for process in started] == ["2\n", "2\n"]


def test_a_process_on_its_own() -> None:
    with launch("cpu", "fp32") as fabric:
        assert (fabric.world_size, fabric.is_global_zero, fabric.device.type) == (1, True, "cpu")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_a_stop_and_the_second_kills(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stoppable() as interrupt:
        assert not interrupt.asked
        os.kill(os.getpid(), number)
        assert interrupt.asked
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_automatic_precision_asks_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, bool] = {"avx2": True, "avx512_bf16": False, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert chosen_precision("auto", "cpu") == "fp32"
    known["amx_bf16"] = True
    assert chosen_precision("auto", "cpu") == "bf16"
    assert chosen_precision("fp32", "cpu") == "fp32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert chosen_precision("auto", "cpu") == "fp32"
    assert chosen_precision("bf16", "cpu") == "bf16"
