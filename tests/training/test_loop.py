from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.shared.configured import changed
from tests.shared.logs import logged
from tests.training.toy import FAST, ToyRecipe, ToySource, job
from vgmae_bench.errors import StorageError, UsageError, UserError
from vgmae_bench.training.log import Row, read_log
from vgmae_bench.training.loop import Job, train
from vgmae_bench.training.settings import LoopConfig
from vgmae_bench.types import Queries, Tracker, Tracks

EVERYTHING = changed(FAST, accumulate=2, ema_decay=0.9, warmup_steps=3, checkpoint_every=4)


class Killed(BaseException):
    """Simulates a kill: the program does not handle this error."""


def at_clip(number: int, do: Callable[[], object]) -> ToySource:
    def before(first: int) -> None:
        if first == number:
            do()

    return ToySource(before)


def kill() -> None:
    raise Killed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def curve(out: Path) -> list[Row]:
    """The part of the log that does not depend on the time."""
    timing = ("seconds", "clips_per_second")
    return [{name: value for name, value in row.items() if name not in timing} for row in read_log(out / "log.csv")]


def same_weights(one: Path, other: Path) -> bool:
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_lowers_the_loss_and_writes_all_documented_files(tmp_path: Path) -> None:
    with logged() as said:
        last = train(job(tmp_path / "out", changed(FAST, steps=60), command="vgmae-bench train"))
    rows = read_log(tmp_path / "out" / "log.csv")
    assert rows[-1] == last
    assert {"step", "loss", "lr", "seconds", "clips_per_second", "grad_norm", "colour"} <= set(last)
    assert [row["step"] for row in rows] == list(range(2, 61, 2))
    assert (last["loss"] or 1) < 0.2 * (rows[0]["loss"] or 0)
    assert said == ["skipped: broken.mp4 cannot be read"]
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["identity"]["steps"] == 60
    assert record["progress"]["clips"] == 240
    assert record["sessions"][0]["command"] == "vgmae-bench train"
    assert (tmp_path / "out" / "pictures" / "step_000060.png").exists()


@pytest.mark.parametrize("stop", [kill, interrupt])
def test_a_stopped_training_continues_exactly(tmp_path: Path, stop: Callable[[], object]) -> None:
    train(job(tmp_path / "whole", EVERYTHING))
    with pytest.raises((Killed, KeyboardInterrupt)):
        train(job(tmp_path / "parts", EVERYTHING, source=at_clip(24, stop)))  # step 7 of 12, between two lines
    assert len(curve(tmp_path / "parts")) == 3
    train(job(tmp_path / "parts", EVERYTHING))
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    assert same_weights(tmp_path / "parts", tmp_path / "whole")
    assert len(json.loads((tmp_path / "parts" / "record.json").read_text())["sessions"]) == 2


def test_an_interrupt_loses_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(job(tmp_path, changed(EVERYTHING, checkpoint_every=0), source=at_clip(24, interrupt)))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_prefetching_changes_nothing(tmp_path: Path) -> None:
    train(job(tmp_path / "in turn"))
    train(job(tmp_path / "ahead", changed(FAST, workers=1)))
    assert same_weights(tmp_path / "in turn", tmp_path / "ahead")


def test_a_limited_number_of_clips_is_repeated(tmp_path: Path) -> None:
    firsts: list[int] = []
    config = changed(FAST, steps=5, distinct_clips=2 * FAST.data.batch_size)
    train(job(tmp_path / "out", config, source=ToySource(firsts.append)))
    size = FAST.data.batch_size
    assert firsts == [0, size, 0, size, 0]


def test_accumulated_passes_equal_one_batch(tmp_path: Path) -> None:
    train(job(tmp_path / "whole"))
    train(job(tmp_path / "parts", changed(FAST, accumulate=4)))
    for one, other in zip(curve(tmp_path / "whole"), curve(tmp_path / "parts"), strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_saved_weights_are_the_moving_average(tmp_path: Path) -> None:
    averaged = changed(FAST, ema_decay=0.75, ema_warmup=False, steps=2, checkpoint_every=1)
    with pytest.raises(Killed):
        train(job(tmp_path, averaged, source=at_clip(4, kill)))
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]["weight"]
    train(job(tmp_path, averaged))
    second = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]["weight"]
    torch.testing.assert_close(load_file(tmp_path / "weights.safetensors")["weight"], 0.75 * first + 0.25 * second)


def test_the_learning_rate_may_stay(tmp_path: Path) -> None:
    train(job(tmp_path, changed(FAST, warmup_steps=4, lr_schedule="constant")))
    assert [row["lr"] for row in read_log(tmp_path / "log.csv")] == [FAST.optimiser.lr / 2, *[FAST.optimiser.lr] * 5]


def test_in_bfloat16_weights_stay_float32(tmp_path: Path) -> None:
    train(job(tmp_path / "bf16", changed(FAST, precision="bf16")))
    train(job(tmp_path / "fp32"))
    assert load_file(tmp_path / "bf16" / "weights.safetensors")["weight"].dtype == torch.float32
    rough, exact = curve(tmp_path / "bf16")[-1]["loss"], curve(tmp_path / "fp32")[-1]["loss"]
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.1)


def test_a_finished_training_is_not_changed(tmp_path: Path) -> None:
    last = train(job(tmp_path))
    before = (tmp_path / "weights.safetensors").stat().st_mtime_ns
    assert train(job(tmp_path)) == last
    assert (tmp_path / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("config", "differs"), [(changed(FAST, lr=0.01), r"lr: 0\.05 there, 0\.01 here"), (changed(FAST, seed=1), "seed")]
)
def test_the_folder_of_another_training_is_refused(tmp_path: Path, config: LoopConfig, differs: str) -> None:
    train(job(tmp_path))
    with pytest.raises(StorageError, match=differs):
        train(job(tmp_path, config))


def test_equivalent_settings_in_another_form_continue_the_training(tmp_path: Path) -> None:
    last = train(job(tmp_path))
    assert train(job(tmp_path, changed(FAST, log_every=1, checkpoint_every=1))) == last


@pytest.mark.parametrize("name", ["weights.safetensors", "log.csv", "checkpoint.pt"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(StorageError, match="this training did not write"):
        train(job(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    train(job(tmp_path))
    content = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(StorageError, match=r"checkpoint\.pt cannot be read"):
        train(job(tmp_path))


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        train(job(tmp_path / "file" / "out"))


def test_a_training_that_diverges_stops_and_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no longer finite"):
        train(job(tmp_path, changed(FAST, lr=1e30, clip_norm=0.0, checkpoint_every=1)))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]["weight"].isfinite().all()


def test_a_batch_must_divide() -> None:
    with pytest.raises(UsageError, match="multiple of accumulate"):
        changed(FAST, accumulate=3)


def test_a_recipe_around_other_weights_shares_the_rest() -> None:
    recipe = ToyRecipe()
    average = nn.Linear(3, 3)
    other = recipe.around(average)
    batch = ToySource().batch(range(2), recipe.shape(0), "cpu")
    assert other.network is average and recipe.network is not average
    assert other.config is recipe.config
    assert recipe(batch, 0).total != other(batch, 0).total


def test_initial_weights_depend_on_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (ToyRecipe(changed(FAST, seed=seed)).network.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_validation_tracks_with_the_weights_in_memory(tmp_path: Path) -> None:
    """Validation uses the averaged weights in evaluation mode. Training continues in training mode, and no file is written."""
    seen: list[tuple[bool, Tensor]] = []

    class Validated(ToyRecipe):
        def tracker(self, device: str) -> Tracker:
            seen.append((self.network.training, self.network.weight.detach().clone()))
            return StandStill()

    class StandStill:
        def track(self, frames: np.ndarray, queries: Queries) -> Tracks:
            xy = np.repeat(queries.xy[:, None], len(frames), axis=1)
            return Tracks(xy, np.ones(xy.shape[:2], dtype=np.bool_))

    config = changed(FAST, steps=2, ema_decay=0.9, validate_clips=1)
    recipe = Validated(config)
    last = train(Job("toy", recipe, ToySource(), tmp_path, "cpu"))
    assert last["delta_avg"] == last["delta_avg_zero_motion"]
    ((training, weight),) = seen
    assert not training and recipe.network.training
    assert torch.equal(weight, load_file(tmp_path / "weights.safetensors")["weight"])
    assert not torch.equal(weight, recipe.network.weight)
