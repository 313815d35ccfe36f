"""The origin of a result: commit, versions, machine. It contains no paths and no names of users or hosts."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from vgmae_bench import __version__

PACKAGES = ("torch", "numpy", "Pillow", "h5py", "gsplat", "opencv-python-headless", "pandas", "av")


@dataclass(frozen=True)
class Commit:
    """The Git commit of the code, and whether files differed from it."""

    id: str
    dirty: bool


def collect(device: str) -> dict[str, Any]:
    """Commit, package versions, interpreter and device of this process."""
    return {
        "vgmae_bench": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions(),
        "device": device_name(device),
    }


def commit() -> Commit | None:
    """The Git commit of this package, and whether tracked files differ from it; None outside a checkout."""
    folder = Path(__file__).resolve().parent
    tracked = _git(folder, "ls-files", "--error-unmatch", __file__) is not None
    return commit_of(folder) if tracked else None  # an installed package may be inside another project's checkout


def commit_of(folder: Path) -> Commit | None:
    """The Git commit of a folder and whether tracked files differ from it; None outside a checkout."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return Commit(head, dirty=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")))


def device_name(device: str) -> str:
    """The name of a device on this machine: the GPU's model, or the CPU's model and number of cores."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"CPU, {os.cpu_count()} cores ({_processor()})"


def numerics(device: str) -> str:
    """The causes of different rounding besides the code: the kind of device and the precision of float32.

    Empty for full float32 on a CPU. It omits the number of torch's threads, which changes only the last digits.
    """
    import torch

    kind, precision = torch.device(device).type, torch.get_float32_matmul_precision()
    parts = [kind] * (kind != "cpu") + [f"matmul {precision}"] * (precision != "highest")
    if kind == "cuda" and torch.backends.cudnn.allow_tf32:
        parts.append("convolutions tf32")
    return ", ".join(parts)


def peak_memory_mb() -> float:
    """The peak memory of this process so far, in MB: main memory plus GPU memory."""
    peak = _peak_resident()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peak += torch.cuda.max_memory_allocated()
    return peak / 1e6


def command_line() -> str:
    """The command of this process. Absolute paths are reduced to the names of their files and folders."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return " ".join(["vgmae-bench", *words])


def versions() -> dict[str, str | None]:
    """The versions of the packages that results depend on; None for a package that is not installed."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _peak_resident() -> int:
    """Peak main memory of this process, in bytes."""
    try:  # Linux; getrusage would count what the parent held when it started this process
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
