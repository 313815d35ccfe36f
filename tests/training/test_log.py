from __future__ import annotations

from pathlib import Path

from vgmae_bench.training.log import Log, draw_curve, read_log


def row(step: int) -> dict[str, float | None]:
    return {"step": step, "loss": 1 / step, "lr": 0.1, "seconds": 2.0, "clips_per_second": 3.0, "grad_norm": 1.0}


def test_a_log_continues_from_a_step(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = Log(path, 0, ("delta",))
    for step in (1, 2, 3):
        log.add(row(step) | ({"delta": 0.5} if step == 2 else {}))
    with path.open("a") as file:
        file.write("4,0.2")  # the power failed
    again = Log(path, 2, ("delta",))
    again.add(row(3) | {"delta": 0.25})
    assert [(line["step"], line["delta"]) for line in read_log(path)] == [(1, None), (2, 0.5), (3, 0.25)]
    assert read_log(path)[2]["loss"] == 1 / 3
    assert [line.partition(",")[0] for line in path.read_text().splitlines()] == ["step", "1", "2", "3"]


def test_no_log_yet(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.csv") == []
    Log(tmp_path / "log.csv", 5, ())
    assert read_log(tmp_path / "log.csv") == []


def test_curves_with_and_without_what_validation_measures(tmp_path: Path) -> None:
    for number, rows in enumerate(([], [row(1), row(2)], [row(1) | {"delta": 0.1, "delta_zero_motion": 0.05}, row(2)])):
        path = tmp_path / f"{number}.png"
        draw_curve(rows, path, ("delta", "delta_zero_motion"))
        assert path.read_bytes().startswith(b"\x89PNG")
