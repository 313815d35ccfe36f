"""Opens teachers by name."""

from __future__ import annotations

from typing import Literal, get_args

from vgmae_bench.errors import UnknownNameError
from vgmae_bench.files import cache_folder
from vgmae_bench.plugins import did_you_mean

from .teacher import Teacher
from .track_cache import CachedTeacher

TeacherName = Literal["lucas-kanade", "ground-truth", "cotracker3"]
CACHE_MB = 4096
"""Size limit of the cache of tracks."""


def open_teacher(
    name: str,
    *,
    seed: int = 0,
    speed: float = 1.0,
    cache: bool = True,
    device: str = "cpu",
) -> Teacher:
    """The teacher with this name.

    Arguments:
        name: "lucas-kanade" has no weights and is not learned. "ground-truth" is an oracle, which knows the scenes of synthetic
            clips. "cotracker3" is a network that was trained on labels.
        seed, speed: of the training with the synthetic clips, for "ground-truth".
        cache: cache the tracks of each clip in the user's cache folder. Those of "ground-truth" are cheap and not cached.
        device: device of "cotracker3".

    Raises:
        UnknownNameError: there is no such teacher.
        PluginError: "cotracker3" is not installed.
    """
    if name == "ground-truth":
        from .ground_truth import GroundTruth

        return GroundTruth(seed, speed)
    teacher: Teacher
    if name == "lucas-kanade":
        from .flow_teacher import FlowTeacher

        teacher = FlowTeacher()
    elif name == "cotracker3":
        from .cotracker3 import CoTracker3

        teacher = CoTracker3.from_hub(device)
    else:
        names = get_args(TeacherName)
        raise UnknownNameError(
            f'There is no teacher "{name}"', did_you_mean(name, names) or f"there are: {', '.join(names)}"
        )
    if not cache:
        return teacher
    return CachedTeacher(teacher, cache_folder() / "teacher-tracks", CACHE_MB)
