"""What adapters of others' trackers share: a network of somebody's code with its weights, and how answers are read."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample
from torch.overrides import TorchFunctionMode

from vgmae_bench import Tracks
from vgmae_bench.checkouts import Checkout
from vgmae_bench.errors import WeightsError
from vgmae_bench.models.checkpoint_content import load_checkpoint
from vgmae_bench.models.weights_file import load_into
from vgmae_bench.training.seeds import seeded, untrained

C = TypeVar("C")


class Package:
    """An installed package, with the interface of `vgmae_bench.checkouts.Checkout`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def module(self, name: str) -> ModuleType:
        """Import one of its modules."""
        return importlib.import_module(name)

    @property
    def identity(self) -> str:
        """ "name version". A package that lies on the path without metadata may have its version in `__version__`."""
        try:
            return f"{self.name} {metadata.version(self.name)}"
        except metadata.PackageNotFoundError:
            return f"{self.name} {getattr(importlib.import_module(self.name), '__version__', 'unknown')}"


class Peer(ABC, Generic[C]):
    """A network of somebody's code, with its weights, on the device and in evaluation mode.

    A subclass names a dataclass of settings, `class LocoTrack(Peer[LocoTrackConfig])`, and has the class attributes below,
    `make`, and the method `track` of a tracker.

    Arguments:
        weights: None leaves the weights random.

    Attributes:
        SOURCE: a repository, see `vgmae_bench.checkouts.Checkout`; or the name of a package.
        MODULE: the module that makes the network.
        STRIP: a prefix of the names in checkpoints, which the network does not have.
        code: the repository or the package.
        network: typed `Any`, because nothing is known of others' classes.
        note, checkout: see `vgmae_bench.types.Noted` and `vgmae_bench.types.Foreign`.
        config, device: as given.

    Raises:
        PluginError: the repository is not there, or cannot be imported.
        WeightsError, UntrustedFileError: the file does not fit the network, or is not read.
    """

    SOURCE: ClassVar[str]
    MODULE: ClassVar[str]
    STRIP: ClassVar[str] = ""

    def __init__(self, config: C, weights: Path | None, device: str, seed: int) -> None:
        self.config, self.device, self.note = config, device, "" if weights else "random weights"
        self.code = Checkout(self.SOURCE) if "/" in self.SOURCE else Package(self.SOURCE)
        self.checkout = self.code.identity
        with seeded(seed):  # importing it may seed torch
            module = self.code.module(self.MODULE)
        made = untrained(lambda: self.make(module), seed)
        if weights is not None:
            self.load(made, weights)
        self.network: Any = made.to(device).eval()

    @abstractmethod
    def make(self, module: Any) -> nn.Module:
        """The network with random weights. Torch's generator is seeded before."""

    def load(self, network: nn.Module, weights: Path) -> None:
        """Load a checkpoint. Nothing in it is executed."""
        strip = (self.STRIP,) if self.STRIP else ()
        load_into(network, load_checkpoint(weights, strip=strip), source=weights.name)


def restored(restore: Callable[[nn.Module, Path], object], network: nn.Module, weights: Path) -> None:
    """Load weights by a function of the authors.

    Raises:
        WeightsError: the function failed. A file of another network fails in many ways.
    """
    try:
        restore(network, weights)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{weights.name} does not fit the network", why) from error


def tracks_of(out: Mapping[str, Tensor]) -> Tracks:
    """Tracks from what TAPIR and LocoTrack return: a point is seen if it is neither hidden nor placed without certainty.

    Arguments:
        out: tracks [1, N, T, 2] in raster pixels, and the logits occlusion and expected_dist [1, N, T].
    """
    seen = (1 - out["occlusion"][0].sigmoid()) * (1 - out["expected_dist"][0].sigmoid())
    return Tracks.from_scores(out["tracks"][0], seen, 0.5)


def read(fields: Tensor, at: Tensor) -> Tensor:
    """Values [N, T, C] of fields [T, C, H, W], read bilinearly at positions [N, 2] whose pixel centres are integers.

    Outside, the values of the border count.
    """
    height, width = fields.shape[2:]
    grid = (2 * at + 1) / at.new_tensor([width, height]) - 1
    places = grid[None, None].expand(len(fields), -1, -1, -1)
    values = grid_sample(fields, places, padding_mode="border", align_corners=False)
    return values[:, :, 0].permute(2, 0, 1)


class StaysOnDevice(TorchFunctionMode):
    """While this lasts, `cuda()` returns a tensor as it is: for networks that move their input by themselves."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """See `torch.overrides.TorchFunctionMode`."""
        return args[0] if func is torch.Tensor.cuda else func(*args, **(kwargs or {}))
