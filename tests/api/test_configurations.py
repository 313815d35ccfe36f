"""Configurations for the wrong command or the wrong method are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgmae_bench import plugins
from vgmae_bench.api.configurations import Training, read_settings
from vgmae_bench.errors import UnknownNameError, UsageError


def said(method: str, offer: Training, name: str, **changes: object) -> str:
    with pytest.raises(UsageError) as error:
        read_settings(plugins.find("methods", method), offer, name, changes)
    return str(error.value)


@pytest.mark.parametrize("method", ["videogmae", "trackmae", "videomae"])
def test_finetune_refuses_a_configuration_for_train(method: str) -> None:
    text = said(method, "finetuner", "tiny")
    assert f'"tiny" is for `train --method {method}`, not for `finetune --method {method}`' in text
    assert text.endswith(f"Try: vgmae-bench finetune --method {method} --config finetune-tiny")


@pytest.mark.parametrize("method", ["videogmae", "trackmae", "videomae"])
def test_train_refuses_a_configuration_for_finetune(method: str) -> None:
    text = said(method, "trainer", "finetune-tiny")
    assert f'"finetune-tiny" is for `finetune --method {method}`, not for `train --method {method}`' in text
    assert text.endswith(f"Try: vgmae-bench train --method {method} --config tiny")


def test_a_configuration_name_of_another_method_is_refused_with_its_owner() -> None:
    assert "gmrw has one of that name" in said("videogmae", "trainer", "kubric")


def test_an_unknown_configuration_name_lists_the_valid_ones() -> None:
    text = said("videogmae", "finetuner", "nothing-like-it")
    assert "for `finetune` videogmae has: " in text and "finetune-paper" in text and "paper-base" not in text


def test_a_configuration_file_of_another_method_is_refused_with_its_owner() -> None:
    Path("mine.toml").write_text("steps = 3\nsmoothness = 1.0\nlabels = 'official'\n")
    text = said("gmae", "trainer", "mine.toml")
    assert '"mine.toml" is for `train --method gmrw`, not for `train --method gmae`' in text


def test_a_file_for_no_method_is_refused_with_its_unknown_setting() -> None:
    Path("mine.toml").write_text("steps = 3\nno_such_thing = 1.0\n")
    assert 'The configuration "mine.toml": gmae has no setting "no_such_thing"' in said("gmae", "trainer", "mine.toml")


def test_a_setting_of_the_other_command_is_refused_with_its_command() -> None:
    text = said("videogmae", "finetuner", "finetune-tiny", mask_ratio=0.9)
    assert text.startswith('videogmae has no setting "mask_ratio": `train` has it, `finetune` does not')


def test_a_valid_configuration_is_read_and_set_overrides_it() -> None:
    settings = read_settings(plugins.find("methods", "videogmae"), "finetuner", "finetune-tiny", {"steps": 7})
    assert settings["steps"] == 7 and settings["data"]["batch_size"] == 16


def test_an_unknown_method_raises_unknown_name_error() -> None:
    with pytest.raises(UnknownNameError):
        read_settings(plugins.find("methods", "gmae"), "trainer", "finetune-tiny", {})
