"""Labels of runs."""

from dataclasses import replace
from pathlib import Path

from tests.records import write_run
from vgmae_bench.compare.row import Row, facts, names
from vgmae_bench.compare.selection import select_runs


def row(out: Path, **settings: object) -> Row:
    (made,) = select_runs(write_run(out, "fast", [0.5]).parents[2])
    method = replace(made.record.method, settings=settings)
    return replace(made, record=replace(made.record, method=method, key=f"{out.name:0<64}"))


def test_labels_of_one_methods_runs_name_the_settings_that_differ(tmp_path: Path) -> None:
    one, two = row(tmp_path / "a", levels=2, window=3, name="x"), row(tmp_path / "b", levels=4, window=3, name="x")
    assert names([one]) == ["fast"]
    assert names([one, two]) == ["fast levels=2", "fast levels=4"]


def test_settings_common_to_most_runs_are_omitted_from_labels(tmp_path: Path) -> None:
    usual, wide, fine = (
        row(tmp_path / "a", levels=2, window=3),
        row(tmp_path / "b", levels=2, window=5),
        row(tmp_path / "c", levels=4, window=3),
    )
    assert names([usual, wide, fine]) == ["fast", "fast window=5", "fast levels=4"]


def test_settings_that_newer_versions_have_do_not_break_it(tmp_path: Path) -> None:
    assert names([row(tmp_path / "a", levels=2), row(tmp_path / "b", levels=2, speed=1)]) == ["fast", "fast speed=1"]


def test_runs_with_equal_settings_are_labelled_by_their_keys(tmp_path: Path) -> None:
    assert names([row(tmp_path / "a", levels=2), row(tmp_path / "b", levels=2)]) == ["fast a0000000", "fast b0000000"]


def test_facts_give_settings_as_they_are_typed(tmp_path: Path) -> None:
    made = row(tmp_path / "a", mode="fast", levels=None, scales=[1, 2], deep=True)
    found = facts(made.record, made.summary)
    assert found["settings"] == "mode=fast, levels=none, scales=[1, 2], deep=true"
    assert found["weights"] == "none"
    assert "device" not in found  # no session, so nothing is known
