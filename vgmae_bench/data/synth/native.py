"""Renders synthetic scenes with kernel/render.cpp: CPU only, several times as fast as `vgmae_bench.data.synth.render`.

It is compiled on first use and called through ctypes. Both renderers do the same in the same order, but round differently:
about one value in ten thousand differs by 1 of 255. Evaluation has fixed bytes and does not use it; training does.
"""

from __future__ import annotations

import ctypes
import logging
from functools import cache, lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vgmae_bench.data.synth.rays import views
from vgmae_bench.data.synth.render import paint_of, render_video
from vgmae_bench.data.synth.scene import Scenes, Split
from vgmae_bench.data.synth.texture import LEVELS, TILE_SIZE, TILES, texture_bank
from vgmae_bench.splatting.compiler import CompilerError, compile_library

SOURCE = Path(__file__).with_name("kernel") / "render.cpp"
_log = logging.getLogger(__name__)


def render_fast(scenes: Scenes, height: int, width: int) -> Tensor:
    """Like `vgmae_bench.data.synth.render.render_video`, by the fastest renderer that works for these scenes."""
    library = _library() if scenes.half.device.type == "cpu" else None
    if library is None:
        return render_video(scenes, height, width)
    scenes = scenes.to("cpu", torch.float32)
    seen = views(scenes)
    entry, faces, leave = (
        part.movedim(-1, 0).contiguous() for part in (seen.planes.entry, seen.planes.entry_face.int(), seen.planes.exit)
    )
    painted = paint_of(scenes, seen).transpose(0, 1).contiguous()
    bank = texture_bank(*scenes.bank, scenes.half.device)
    images, solids = faces.shape[:2]
    video = torch.empty(images, height, width, 3, dtype=torch.uint8)
    arrays = (array.data_ptr() for array in (entry, faces, leave, painted, _tiles(*scenes.bank)))
    scene = _Scene(images, solids, height, width, *bank.shape[2:], *arrays)
    library.vgmae_synth_render(ctypes.byref(scene), torch.get_num_threads(), video.data_ptr())
    return video.view(*scenes.camera_position.shape[:2], height, width, 3)


class _Scene(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("images", "solids", "height", "width", "bank_height", "bank_width")),
        *((name, ctypes.c_void_p) for name in ("entry", "entry_face", "exit", "paint", "bank")),
    ]


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled library, or None if it cannot be compiled here; the slower renderer then does the same work."""
    try:
        library = ctypes.CDLL(str(compile_library(SOURCE)))
    except (CompilerError, OSError) as error:
        _log.warning("Clips are rendered by torch: %s", error)
        return None
    library.vgmae_synth_render.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    library.vgmae_synth_render.restype = None
    return library


@lru_cache(maxsize=4)
def _tiles(seed: int, split: Split) -> Tensor:
    """The texels of the bank as [N, 4], three channels and a zero: tile after tile, so that a face reads from few pages."""
    bank = F.pad(texture_bank(seed, split, torch.device("cpu"))[0].permute(1, 2, 0), (0, 1))
    parts, top = [], 0
    for level in range(LEVELS):
        size = TILE_SIZE // 2**level + 2
        row = bank[top : top + size, : TILES * size]
        parts.append(row.unflatten(1, (TILES, size)).transpose(0, 1).reshape(-1, 4))
        top += size
    return torch.cat(parts)
