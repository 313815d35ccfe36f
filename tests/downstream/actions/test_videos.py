"""Videos for training and testing: folders and official lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vgmae_bench.downstream.actions.lists import read_list
from vgmae_bench.downstream.actions.videos import PROTOCOLS, open_actions
from vgmae_bench.errors import BadDataError, MissingDataError, UsageError


def touch(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def test_every_fourth_video_of_a_folder_is_tested() -> None:
    touch(*(f"data/{name}/{number}.mp4" for name in ("run", "jump") for number in range(1, 9)), "data/run/notes.txt")
    actions = open_actions("data")
    assert actions.classes == ("jump", "run") and actions.protocol == "folder"
    assert list(actions.test.ids) == ["jump/4.mp4", "jump/8.mp4", "run/4.mp4", "run/8.mp4"]
    assert len(actions.train.ids) == 12 and not set(actions.train.ids) & set(actions.test.ids)
    assert actions.test.labels.tolist() == [0, 0, 1, 1]


def test_train_and_val_folders_are_taken_as_they_are() -> None:
    touch("data/train/a/1.png", "data/train/b/frames/0.jpg", "data/val/b/2.avi")
    actions = open_actions("data")
    assert list(actions.train.ids) == ["a/1.png", "b/frames"] and list(actions.test.ids) == ["b/2.avi"]
    assert actions.test.labels.tolist() == [1]


def test_kinetics_lists() -> None:
    header = "label,youtube_id,time_start,time_end,split\n"
    Path("train.csv").write_text(header + "abseiling,-_x,3,13,train\nzumba,bbb,0,10,train\nzumba,gone,0,10,train\n")
    Path("val.csv").write_text(header + 'zumba,"ccc",100,110,validate\n')
    touch("videos/-_x_000003_000013.mp4", "videos/zumba/bbb_000000_000010.webm", "videos/ccc.mkv")
    actions = open_actions("train.csv", test=Path("val.csv"), videos=Path("videos"))
    assert actions.protocol == "kinetics" and actions.classes == ("abseiling", "zumba") and actions.missing == (1, 0)
    assert list(actions.train.ids) == ["-_x_000003_000013", "bbb_000000_000010"]
    assert actions.test.labels.tolist() == [1]
    assert PROTOCOLS["kinetics"]["linear"]["segments"] * PROTOCOLS["kinetics"]["linear"]["crops"] == 15


def test_something_something_lists() -> None:
    rows = [{"id": "1", "label": "holding pen", "template": "Holding [something]"}, {"id": 2, "template": "Moving up"}]
    Path("train.json").write_text(json.dumps(rows))
    Path("val.json").write_text(json.dumps(rows[:1]))
    touch("1.webm", "2.mp4")
    actions = open_actions("train.json", test=Path("val.json"))
    assert actions.protocol == "ssv2" and actions.classes == ("Holding something", "Moving up")
    assert not PROTOCOLS["ssv2"]["finetune"]["flip"]


def test_plain_lists_have_any_separator_and_numbers_in_order() -> None:
    Path("list.txt").write_text("a b/x.mp4 10\n\ny.mp4,9\nz.mp4\t2\n")
    kind, entries = read_list(Path("list.txt"))
    assert kind == "plain" and [(entry.id, entry.label) for entry in entries] == [
        ("a b/x.mp4", "10"),
        ("y.mp4", "9"),
        ("z.mp4", "2"),
    ]
    touch("a b/x.mp4", "y.mp4", "z.mp4")
    assert open_actions("list.txt", test=Path("list.txt")).classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "label,youtube_id,time_start,time_end\nrun,x,soon,10\n", "Line 2"),
        ("a.csv", "youtube_id,time_start,time_end\nx,1,10\n", "no labels"),
        ("a.json", '[{"id": "1"}]', "not a labelled list"),
        ("a.json", "{", "not a labelled list"),
        ("a.txt", "lonely\n", 'not "path label"'),
        ("a.txt", "\n", "empty"),
    ],
)
def test_broken_lists_are_named(name: str, text: str, why: str) -> None:
    Path(name).write_text(text)
    with pytest.raises(BadDataError) as error:
        read_list(Path(name))
    assert why in str(error.value)


def test_mistakes_are_named() -> None:
    touch("a.mp4", "empty/x/readme.txt")
    Path("train.txt").write_text("a.mp4 0\n")
    Path("other.txt").write_text("a.mp4 1\n")
    Path("gone.txt").write_text("b.mp4 0\n")
    with pytest.raises(BadDataError, match="has 1 classes that"):
        open_actions("train.txt", test=Path("other.txt"))
    with pytest.raises(MissingDataError, match="None of the 1 videos"):
        open_actions("train.txt", test=Path("gone.txt"))
    with pytest.raises(MissingDataError, match="not a folder of actions"):
        open_actions("empty")
    with pytest.raises(UsageError, match="a list to test on is missing"):
        open_actions("train.txt")
    with pytest.raises(UsageError, match="neither"):
        open_actions("nothing")
    with pytest.raises(UsageError, match="need a list"):
        open_actions("synth-actions", test=Path("train.txt"))
    with pytest.raises(UsageError, match="takes no settings"):
        open_actions("empty", settings={"size": 64})
