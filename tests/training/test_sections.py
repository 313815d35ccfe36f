"""Settings of trainings have sections. Flat configurations and older training folders still work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.shared.configured import configured
from vgmae_bench import plugins
from vgmae_bench.api.configurations import read_settings
from vgmae_bench.config import build, config_of, read_toml
from vgmae_bench.errors import StorageError, UsageError
from vgmae_bench.settings import flatten, settings_of
from vgmae_bench.training.folder import Identity, TrainingFolder
from vgmae_bench.training.settings import LoopConfig

OLD: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("flat_records.json").read_text())
"""By method: the identity of a training and its digest, as version 82dd841 and later ones wrote them, without sections."""


def sections_of(config_class: type[Any]) -> set[str]:
    return {setting.path.partition(".")[0] for setting in settings_of(config_class) if "." in setting.path}


def kind(method: str, offer: str = "trainer") -> type[Any]:
    found = config_of(plugins.load(plugins.find("methods", method), offer))
    assert found is not None
    return found


def flat(method: str) -> dict[str, Any]:
    """The settings of an old training, in one list."""
    return {k: v for k, v in OLD[method]["identity"].items() if k not in ("method", "data", "init")}


def shipped() -> list[tuple[str, str, Path]]:
    found = []
    for plugin in plugins.installed("methods"):
        if plugin.spec and plugin.spec.configs:
            for path in sorted(plugins.beside(plugin, plugin.spec.configs).glob("*.toml")):
                offer = "finetuner" if path.stem.startswith("finetune") else "trainer"
                found.append((plugin.name, offer, path))
    return found


@pytest.mark.parametrize(("method", "offer", "path"), shipped(), ids=lambda part: str(getattr(part, "stem", part)))
def test_a_shipped_configuration_may_also_be_written_flat(method: str, offer: str, path: Path) -> None:
    values = read_toml(path)
    made = build(kind(method, offer), values, owner=method)
    assert build(kind(method, offer), flatten(made), owner=method) == made
    assert all(isinstance(values.get(section, {}), dict) for section in sections_of(type(made)))
    assert not {"lr", "betas", "batch_size", "workers", "speed", "stages"} & values.keys()  # these have a section


@pytest.mark.parametrize("method", OLD)
def test_the_folder_of_a_flat_training_is_still_its_own(method: str, tmp_path: Path) -> None:
    record = {"schema": 1, **OLD[method]}
    (tmp_path / "record.json").write_text(json.dumps(record))

    def folder(**changes: Any) -> TrainingFolder:
        settings = configured(kind(method), **{**flat(method), **changes})
        return TrainingFolder(tmp_path, Identity(method, settings, OLD[method]["identity"]["data"], None))

    folder(workers=7).check()
    assert folder().digest == OLD[method]["digest"]
    with pytest.raises(StorageError, match=r"lr: .* there, 0\.5 here"):
        folder(lr=0.5).check()


@pytest.mark.parametrize("method", ["videogmae", "gmae", "gmrw", "trackmae", "videomae"])
def test_pretrainings_have_the_same_sections(method: str) -> None:
    assert {"network", "optimiser", "data"} <= sections_of(kind(method))


def test_a_setting_is_changed_by_its_path_or_by_its_name() -> None:
    plugin = plugins.find("methods", "videogmae")
    for change in ({"optimiser.lr": 0.5, "curriculum.mask_ratio": 0.25}, {"lr": 0.5, "mask_ratio": 0.25}):
        made = build(kind("videogmae"), read_settings(plugin, "trainer", "masked-32px", change), owner="videogmae")
        assert (made.optimiser.lr, made.curriculum.mask_ratio, made.data.stride) == (0.5, 0.25, 2)
        assert made.curriculum.stages[0].num_frames == 2


def test_a_setting_belongs_to_one_section() -> None:
    assert configured(LoopConfig, batch_size=4).data.batch_size == 4
    with pytest.raises(UsageError, match="Did you mean"):
        configured(LoopConfig, optimiser={"batch_sizes": 4})
    with pytest.raises(UsageError, match="given twice"):
        configured(LoopConfig, lr=1.0, optimiser={"lr": 2.0})
