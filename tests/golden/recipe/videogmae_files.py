"""Files about Video-GMAE, at sizes that the official set does not have."""

from __future__ import annotations

import numpy as np
import torch

from . import videogmae
from .file import Arrays, File, generator, under
from .rule import Weights, noise

VG = {
    "img_size": 16,
    "patch_size": 8,
    "in_chans": 3,
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 1,
    "decoder_embed_dim": 16,
    "decoder_depth": 2,
    "decoder_num_heads": 1,
    "num_gaussian": 5,
    "number_of_frames": 3,
}


def vg_net(kind: str) -> File:
    """Three frames, one head, five Gaussians; "pos3d" holds neither the blocks nor the tables."""
    rng, w = generator(f"vg_net_{kind}"), Weights()
    made = {**VG, "training_type": "x-interpolate" if kind == "interp" else "plain", "scale_factor": 1.0}
    video = noise(rng, 1, 3, 16, 16, 3)
    inputs, outputs, what = {"video_u8": video}, {}, {}
    for run, ratio in (("id", 0.0), ("m0", 0.0), ("m60", 0.6)):
        draws = np.sort(rng.random((1, 12)).astype(np.float32)) if run == "id" else rng.random((1, 12), np.float32)
        order = torch.from_numpy(draws).argsort(dim=1)
        keep = order[:, : int(12 * (1 - ratio))]
        blocks, latent = videogmae.encode(w, video, keep, made)
        stages: Arrays = {"ids_keep": keep, "ids_restore": order.argsort(dim=1), "latent": latent}
        stages["mask"] = torch.ones(1, 12).scatter(1, keep, 0.0).bool()
        stages["x_points"] = videogmae.decode(w, latent, keep, made)
        if kind == "interp":
            stages |= {f"block{i}": block for i, block in enumerate(blocks)}
        inputs[f"{run}.noise"] = draws
        what[f"{run}.noise"] = f"masking noise; ids_shuffle=argsort(noise); mask_ratio={ratio}"
        outputs |= under(f"{run}.", stages)
    fixed = videogmae.tables(made)
    if kind == "interp":
        outputs |= under("table.", fixed)
        x = outputs["m0.x_points"].float().double().unflatten(1, (3, 5))
        outputs |= under("gauss.", videogmae.gaussians(x))
        outputs["gauss.colors_rgbdelta_1"] = videogmae.gaussians(x, rgb_scale=1)["colors"]
        outputs["gauss.colors_rgbdelta_third"] = videogmae.gaussians(x, rgb_scale=0.3)["colors"]
        outputs["gauss.scales_sf0p7"] = videogmae.gaussians(x, scale_factor=0.7)["scales"]
        what["gauss.colors_rgbdelta_1"] = "rgb_deltas=True, rgb_deltas_scale=1"
        what["gauss.colors_rgbdelta_third"] = "rgb_deltas=True, rgb_deltas_scale=0.3"
        what["gauss.scales_sf0p7"] = "with scale_factor=0.7"
    more = {"constructor": made, "fixed_tables": list(fixed), "tolerance": {"atol": 5e-5, "rtol": 1e-5}}
    return File("Video-GMAE network", inputs, outputs, what, more, w)


def vg_readout() -> File:
    """One point, three frames, one head in the encoder and two in the readout."""
    rng, w = generator("vg_readout"), Weights()
    made = {**VG, "training_type": "x-interpolate", "num_fourier_features": 6, "readout_heads": 2, "num_tracks": 1}
    video, queries = noise(rng, 2, 3, 16, 16, 3), rng.random((2, 1, 3)).astype(np.float32)
    queries[..., 0] = 0
    points = torch.from_numpy(queries).double()
    inputs, outputs = {"video_u8": video, "queries": queries}, {"fourier": videogmae.fourier(points, 6)}
    for run in ("id", "perm"):
        draws = rng.random((2, 12), np.float32)
        draws = np.sort(draws) if run == "id" else draws
        keep = torch.from_numpy(draws).argsort(dim=1)
        latent = videogmae.encode(w, video, keep, made)[1]
        positions, hidden = videogmae.readout(w, latent, points, made)
        inputs[f"{run}.noise"] = draws
        stages = {"ids_keep": keep, "latent": latent, "positions": positions, "visibility": hidden}
        outputs |= under(f"{run}.", stages)
    more = {
        "constructor": made,
        "fixed_tables": list(videogmae.tables(made)),
        "tolerance": {
            "positions": "atol 5e-5",
            "visibility": "atol 5e-5",
            "latent": "atol 5e-5",
            "fourier": "atol 1e-5",
        },
    }
    return File("Video-GMAE fine-tuning readout", inputs, outputs, {}, more, w)
