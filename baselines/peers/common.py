"""Shared parts of the adapters: a network from other people's code with its weights, and the conversion of its outputs."""

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
from vgmae_bench.training.recipe import seeded, untrained

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
        """ "name version". For a package without metadata, the version is its `__version__`."""
        try:
            return f"{self.name} {metadata.version(self.name)}"
        except metadata.PackageNotFoundError:
            return f"{self.name} {getattr(importlib.import_module(self.name), '__version__', 'unknown')}"


class Peer(ABC, Generic[C]):
    """A network from other people's code, with its weights, on the device and in evaluation mode.

    A subclass names a dataclass of settings, `class LocoTrack(Peer[LocoTrackConfig])`, and has the class attributes below,
    `make`, and the method `track` of a tracker.

    Arguments:
        weights: None leaves the weights random.

    Attributes:
        SOURCE: a repository, see `vgmae_bench.checkouts.Checkout`; or the name of a package.
        MODULE: the module that makes the network.
        STRIP: a prefix of the names in checkpoints, which the network does not have.
        code: the repository or the package.
        network: typed `Any`, because its class is not known here.
        note, checkout: see `vgmae_bench.types.tracks.Noted` and `vgmae_bench.types.tracks.Foreign`.
        config, device: as given.

    Raises:
        PluginError: the repository does not exist, or cannot be imported.
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
        """Make the network with random weights. The caller has seeded torch's generator."""

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
    """Tracks from the outputs of TAPIR and LocoTrack. A point is visible if occlusion and uncertainty are improbable.

    Arguments:
        out: tracks [1, N, T, 2] in raster pixels, and the logits occlusion and expected_dist [1, N, T].
    """
    seen = (1 - out["occlusion"][0].sigmoid()) * (1 - out["expected_dist"][0].sigmoid())
    return Tracks.from_scores(out["tracks"][0], seen, 0.5)


def read(fields: Tensor, at: Tensor) -> Tensor:
    """Values [N, T, C] of fields [T, C, H, W], interpolated at positions [N, 2] whose pixel centres are integers.

    Outside, the values of the border count.
    """
    height, width = fields.shape[2:]
    grid = (2 * at + 1) / at.new_tensor([width, height]) - 1
    places = grid[None, None].expand(len(fields), -1, -1, -1)
    values = grid_sample(fields, places, padding_mode="border", align_corners=False)
    return values[:, :, 0].permute(2, 0, 1)


class StaysOnDevice(TorchFunctionMode):
    """Within this context, `Tensor.cuda()` returns the tensor itself, because some networks move their input to a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """See `torch.overrides.TorchFunctionMode`."""
        return args[0] if func is torch.Tensor.cuda else func(*args, **(kwargs or {}))
