from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.toy import save_davis
from vgmae_bench import data, plugins
from vgmae_bench.data.open import open_dataset
from vgmae_bench.errors import UnknownNameError, UsageError


@pytest.fixture(autouse=True)
def first_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """The datasets of this checkout, whatever is installed."""
    specs = [data.DAVIS, data.KINETICS, data.RGB_STACKING, data.ROBOTAP, data.SYNTH]
    listed = [plugins.Plugin(spec.name, spec, "", "vgmae-bench", "0", "vgmae_bench.data") for spec in specs]
    monkeypatch.setattr(plugins, "installed", lambda kind: listed if kind == "datasets" else [])


def test_a_dataset_is_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_davis(tmp_path)
    dataset = open_dataset("davis", {"point_scale": "minus_one"}, tmp_path)
    assert list(dataset.ids) == ["bear", "camel"]
    assert dataset.options == {"point_scale": "minus_one"}
    assert (dataset.name, dataset.settings, dataset.published_clips) == ("davis", {"point_scale": "minus_one"}, 30)
    monkeypatch.setenv("VGMAE_BENCH_DATA", str(tmp_path))
    assert open_dataset("davis").clip("bear").num_frames == 6


def test_mistakes_are_usage_errors(tmp_path: Path) -> None:
    save_davis(tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean davis"):
        open_dataset("davies", {}, tmp_path)
    with pytest.raises(UsageError, match='davis has no setting "half_pixel"'):
        open_dataset("davis", {"half_pixel": "keep"}, tmp_path)


def test_a_dataset_straight_from_a_file(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "class Mine:\n    ids, digest = ('a',), 'd'\n    def __init__(self, root): self.root = root\n"
        "    def clip(self, clip_id): raise KeyError(clip_id)\n"
    )
    dataset = open_dataset(f"{source}:Mine", root=tmp_path)
    assert (dataset.ids, dataset.name) == (("a",), "Mine")


def test_listing_datasets_imports_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "PIL", "pydantic", "tqdm", "h5py", "pandas")
    program = f"import sys, vgmae_bench.data; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
