"""CoTracker3 as a teacher. It is a public torch.hub package and not part of this package.

arXiv 2410.11831, facebookresearch/co-tracker 82e02e8. Its code and weights are CC-BY-NC 4.0. This package contains nothing of
it. Weights trained with it are "produced with CC-BY-NC material". It is not self-supervised: it was trained on labels.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vgmae_bench.config import Json
from vgmae_bench.errors import PluginError

from .teacher import TeacherTracks, grid_points

COMMIT = "82e02e8029753ad4ef13cf06be7f4fc5facdda4d"
REPOSITORY = "facebookresearch/co-tracker"
WEIGHTS = "scaled_offline.pth"
NOTICE = (
    "CoTracker3 (facebookresearch/co-tracker) is licensed CC-BY-NC 4.0, for non-commercial use only; "
    'weights trained with it must be labelled "produced with CC-BY-NC material".'
)


class Predictor(Protocol):
    """The used part of CoTracker3's offline predictor."""

    def __call__(self, video: Tensor, *, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Track the queries.

        Arguments:
            video: float [1, T, 3, H, W] in 0..255.
            queries: float [1, N, 3] of (t, x, y).

        Returns:
            Tracks, float [1, T, N, 2] of (x, y), and visible, [1, T, N]. Positions are pixel indices: pixel centres are
            integers.
        """


class CoTracker3:
    """Tracks the grid's points jointly from the first frame; see `vgmae_baselines.trackmae.teachers.teacher.Teacher`.

    Arguments:
        predictor: the network, on `device`.
    """

    def __init__(self, predictor: Predictor, device: str) -> None:
        self._predictor, self._device = predictor, device

    @classmethod
    def from_hub(cls, device: str) -> CoTracker3:
        """The package in torch.hub's cache. Nothing is downloaded here, and no other commit is run.

        Raises:
            PluginError: its code, its weights or a needed module is missing, or it does not run.
        """
        code, weights = _places()
        if missing := [path for path in (code / "hubconf.py", weights) if not path.is_file()]:
            raise PluginError(f"cotracker3 is not installed: there is no {missing[0]}", NOTICE, try_=_install())
        _show_notice()
        # Importing its modules sets the seed of torch's global generator.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            try:
                predictor = torch.hub.load(str(code), "cotracker3_offline", source="local")
            except Exception as error:  # foreign code can raise anything
                raise PluginError("cotracker3 cannot be loaded", f"{type(error).__name__}: {error}") from error
        return cls(predictor.to(device).eval(), device)

    @torch.no_grad()
    def tracks(self, video: Tensor, numbers: tuple[int, ...], grid: int) -> TeacherTracks:
        """See `vgmae_baselines.trackmae.teachers.teacher.Teacher`. Clips are tracked one by one; `numbers` is not used."""
        height, width = video.shape[2:4]
        start = grid_points(height, width, grid)
        queries = torch.cat([torch.zeros(len(start), 1), start - 0.5], dim=1).to(self._device)[None]
        found = []
        for clip in video:
            images = clip.to(self._device).permute(0, 3, 1, 2).float()[None]
            xy, visible = self._predictor(images, queries=queries)
            found.append((xy[0].transpose(0, 1) + 0.5, visible[0].transpose(0, 1)))
        xy, visible = (torch.stack(part).to(video.device) for part in zip(*found, strict=True))
        return TeacherTracks(xy.float(), visible.bool())

    def describe(self) -> Json:
        """Everything that the tracks depend on, as plain JSON."""
        return {"teacher": "cotracker3", "commit": COMMIT, "weights": WEIGHTS}


def _places() -> tuple[Path, Path]:
    """The paths of the commit's code and of the weights in torch.hub's cache."""
    hub = Path(torch.hub.get_dir())
    return hub / f"{REPOSITORY.replace('/', '_')}_{COMMIT}", hub / "checkpoints" / WEIGHTS


def _install() -> str:
    """The command that downloads and runs the code. It implies accepting the licence, so the user must run it."""
    call = f"torch.hub.load('{REPOSITORY}:{COMMIT}', 'cotracker3_offline', trust_repo=True, skip_validation=True)"
    return f'python -c "import torch; {call}"'


@cache  # once per process
def _show_notice() -> None:
    """Show the licence."""
    print(NOTICE, file=sys.stderr)
