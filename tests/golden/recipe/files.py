"""The files of the set, by name."""

from __future__ import annotations

from collections.abc import Callable

from .file import File
from .gmrw_files import gmrw_loss, gmrw_net, gmrw_track
from .trackmae_files import tm_finetune, tm_motion_mask, tm_net, tm_targets
from .videogmae_files import vg_net, vg_readout

FILES: dict[str, Callable[[], File]] = {
    "gmrw_net_24x40.npz": gmrw_net,
    "gmrw_loss.npz": gmrw_loss,
    "gmrw_track.npz": gmrw_track,
    "tm_net.npz": tm_net,
    "tm_finetune.npz": tm_finetune,
    "tm_targets.npz": tm_targets,
    "tm_motion_mask.npz": tm_motion_mask,
    "vg_net_interp.npz": lambda: vg_net("interp"),
    "vg_net_pos3d.npz": lambda: vg_net("pos3d"),
    "vg_readout_interp_ff6.npz": vg_readout,
}
