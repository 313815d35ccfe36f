"""The files of the set and their contents, at sizes that the official set does not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import gmrw, trackmae, videogmae
from .rule import SALT, Weights, noise, rule

Arrays = dict[str, Any]


@dataclass
class File:
    """What one file holds.

    Attributes:
        case: what it is about, in words.
        inputs: arrays that are given.
        outputs: arrays that the reference made.
        what: descriptions of arrays; tests read settings from them.
        more: other entries of INDEX.json.
        weights: of the network, if there is one.
    """

    case: str
    inputs: Arrays
    outputs: Arrays
    what: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    weights: Weights | None = None


def generator(name: str) -> np.random.Generator:
    """Random numbers of a file, from its name."""
    return np.random.default_rng([*SALT.encode(), *name.encode()])


def under(prefix: str, arrays: Arrays) -> Arrays:
    return {f"{prefix}{name}": value for name, value in arrays.items()}


def gmrw_net() -> File:
    """Lattice of 6 × 10 cells, windows of 3 × 5."""
    rng, (height, width) = generator("gmrw_net"), (24, 40)
    wide = noise(rng, height, width + 4, 3)
    frames = np.stack([wide[:, 4:], wide[:, :-4]])
    grid = (height // 4, width // 4)
    w, rows = Weights(), np.arange(grid[0] * grid[1])
    outputs: Arrays = {}
    what = {"r1.A21_rows": "rows[::8] of 1->0", "r1.flow12_weighted_argmax3": "window_threshold 3"}
    for run, divisor in (("r1", 255), ("r255", 1)):
        images = gmrw.images(frames, divisor)
        maps = gmrw.backbone(w, images)
        a, b = gmrw.match(w, maps[:1], maps[1:])
        there, back = gmrw.matrix(a, b), gmrw.matrix(b, a)
        best = there[0].topk(2, dim=1).values
        flow = gmrw.flow_cells(there, *grid)
        made = {
            "feature1": a[0].T.unflatten(1, grid),
            "feature2": b[0].T.unflatten(1, grid),
            "A12_rows": there[0],
            "A12_argmax": there[0].argmax(dim=1),
            "A12_margin": best[:, 0] - best[:, 1],
            "flow12": gmrw.to_pixels(flow, (height, width))[0],
        }
        if run == "r1":
            made["backbone"] = maps
            made["A21_rows"] = back[0, rows[::8]]
            made["flow_cells"] = flow[0]
            made["flow21"] = gmrw.to_pixels(gmrw.flow_cells(back, *grid), (height, width))[0]
            hard = torch.nn.functional.one_hot(there.argmax(dim=2), there.shape[2]).double()
            made["flow12_argmax"] = gmrw.to_pixels(gmrw.flow_cells(hard, *grid), (height, width))[0]
            near = gmrw.windowed(there, grid[1], 3)
            made["flow12_weighted_argmax3"] = gmrw.to_pixels(gmrw.flow_cells(near, *grid), (height, width))[0]
        else:
            made["with_position"] = maps + gmrw.window_positions(*grid)
            large = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=True)
            a, b = gmrw.match(w, *gmrw.backbone(w, large).split(1))
            flow = gmrw.flow_cells(gmrw.matrix(a, b), 2 * grid[0], 2 * grid[1])
            made["flow12_up2"] = gmrw.to_pixels(flow, (height, width))[0]
        outputs |= under(f"{run}.", made)
    tolerance = {
        "backbone": "atol 2e-4",
        "feature": "atol 1e-3",
        "A_rows": "atol 1e-3",
        "argmax": "exact where A12_margin > 2e-3",
        "flow": "weighted_sum atol 2e-2 px",
    }
    more = {"constructor": gmrw.constructor(), "tolerance": tolerance}
    inputs = {"frames_u8": frames, "rows": rows}
    return File("GMRW network, transition matrix, soft-argmax", inputs, outputs, what, more, w)


def gmrw_loss() -> File:
    """Lattice of 6 × 10 cells; frames of flat blocks, so that most places are no edges."""
    rng, (height, width) = generator("gmrw_loss"), (24, 40)
    blocks = rng.integers(60, 200, (2, 6, 11, 3)).repeat(6, axis=1).repeat(6, axis=2)
    shifts = ((0, 0), (2, 3), (2, 3), (5, 1))
    frames = np.stack([blocks[:, y : y + height, x : x + width] for y, x in shifts], axis=1)
    frames = (frames + rng.integers(0, 2, frames.shape)).astype(np.uint8)
    grid = (height // 4, width // 4)
    labels = None
    while labels is None:  # until no label is so close to the edge between two cells that float32 may decide otherwise
        corner, side = rng.integers(0, 20, (2, 2, 2)), rng.integers(45, 80, (2, 2, 2))
        boxes = np.concatenate([corner, side], axis=-1)
        theta = gmrw.theta_of(boxes).astype(np.float32)
        labels = gmrw.resampled_labels(theta, *grid)
    w = Weights()
    label, mask = torch.from_numpy(labels["label"]).long(), torch.from_numpy(labels["mask"]).double()
    maps = gmrw.backbone(w, gmrw.images(frames[:, [0, 1, 3]], 255).flatten(0, 1)).unflatten(0, (2, 3))
    pairs = [gmrw.match(w, maps[:, t], maps[:, t + 1]) for t in range(2)]
    there, back = (gmrw.matrix(a, b) for a, b in pairs)

    def crw(product: Tensor) -> tuple[Tensor, Tensor]:
        chance = product.gather(2, label[..., None])[..., 0]
        return -(mask * torch.log(chance + 1e-7)).sum() / (mask.sum() + 1e-5), chance

    loss, chance = crw(there @ back)
    near = crw(gmrw.windowed(there, grid[1], 3) @ gmrw.windowed(back, grid[1], 3))[0]
    images = torch.from_numpy(frames).double().movedim(-1, 2) / 255 * 2 - 1
    flows = [gmrw.to_pixels(gmrw.flow_cells(a, *grid), (height, width)) for a in (there, back)]
    smooth = torch.stack([gmrw.smoothness(flow, images[:, t]) for t, flow in enumerate(flows)]).mean()
    full = loss + 20 * smooth
    hits = ((there @ back).argmax(dim=2) == label).double()
    names = list(w)

    def gradients(of: Tensor) -> dict[str, Tensor]:
        return dict(zip(names, torch.autograd.grad(of, [w[name] for name in names], retain_graph=True), strict=True))

    walk, both = gradients(loss), gradients(full)
    outputs = {
        "theta": theta,
        **labels,
        "p_label": chance,
        "crw.loss": loss[None],
        "cycle_loss": loss[None],
        "crw.grad_norms": torch.stack([walk[name].norm() for name in names]),
        "smoothness_loss": smooth[None],
        "accuracy": 100 * (hits * mask).sum()[None] / mask.sum(),
        "grad.conv1": walk["backbone.conv1.weight"],
        "grad.l1.q": walk["transformer.layers.1.cross_attn_ffn.q_proj.weight"],
        "full.loss": full[None],
        "full.grad_norms": torch.stack([both[name].norm() for name in names]),
        "crw_weighted_argmax.loss": near[None],
    }
    what = {"full.loss": "smoothness weight 20.0", "crw_weighted_argmax.loss": "window_threshold 3"}
    tolerance = {
        "label": "exact",
        "mask": "exact",
        "loss": "rtol 2e-4",
        "smoothness": "rtol 1e-3",
        "accuracy": "within 0.01 percent point",
        "grad": "relative L2 < 2e-3",
        "p_label": "atol 1e-4",
    }
    more = {
        "constructor": {**gmrw.constructor(), "smoothness_edge_constant": 150.0},
        "param_order": names,
        "border_bug_cells": int(labels["border_bug"].sum()),
        "masked_fraction": float(labels["mask"].mean()),
        "tolerance": tolerance,
    }
    inputs = {"frames_u8": frames, "boxes": boxes, "source_size": np.array([100, 100])}
    return File("GMRW label warp, walk and smoothness losses, gradients", inputs, outputs, what, more, w)


def gmrw_track() -> File:
    """Five frames, one point."""
    rng, (steps, height, width) = generator("gmrw_track"), (4, 9, 14)
    there = rng.normal(0, 1.5, (steps, height, width, 2)).astype(np.float32)
    back = (-there + rng.normal(0, 1.2, there.shape)).astype(np.float32)
    far = rng.normal(0, 3, (steps + 1, height, width, 2)).astype(np.float32)
    tyx = np.array([[2, 4.25, 6.5]], dtype=np.float32)
    sample_xy = np.array([[0.25, 7.75], [13.4, -0.6], [-1.5, 9.2]], dtype=np.float32)
    outputs = {**gmrw.chained(there, back, tyx, 3.0), **gmrw.direct(far, tyx)}
    outputs["sample_value"] = gmrw.sample(there[0], sample_xy.astype(float))
    inputs = {"query_tyx": tyx, "forward_flows": there, "backward_flows": back, "direct_flows": far}
    inputs["sample_xy"] = sample_xy
    made = {"T": steps + 1, "H": height, "W": width, "N": 1, "threshold_px": 3}
    more = {
        "constructor": made,
        "tolerance": {"tracks": "atol 1e-4", "visible": "exact", "sample": "atol 1e-5"},
    }
    return File("GMRW chained and direct tracking", inputs, outputs, {}, more)


TM = {
    "img_size": 24,
    "patch_size": 8,
    "encoder_embed_dim": 20,
    "encoder_depth": 2,
    "encoder_num_heads": 1,
    "decoder_num_classes": 384,
    "decoder_embed_dim": 12,
    "decoder_depth": 1,
    "decoder_num_heads": 1,
    "all_frames": 6,
    "tubelet_size": 2,
    "tracker_decoder_depth": 2,
    "tracker_decoder_num_classes": 8,
}


def tm_net() -> File:
    """3 × 3 tubes of three tubelets, one head; the tables are not in the file."""
    rng, w = generator("tm_net"), Weights()
    video = noise(rng, 2, 6, 24, 24, 3)
    tubes = np.stack([rng.permutation(9) < 7 for _ in range(2)])
    masks = {"tube": np.tile(tubes, 3), "random": np.stack([rng.permutation(27) < 20 for _ in range(2)])}
    masks["none"] = np.zeros((2, 27), dtype=bool)
    inputs, outputs = {"video_u8": video}, {}
    losses = []
    for case, mask in masks.items():
        stages = trackmae.pretraining(w, video, torch.from_numpy(mask), TM)
        if case == "tube":
            for name in ("spatial", "motion"):
                target = rule(f"target.{name}", tuple(stages[name].shape))
                losses.append((stages[name] - target).square().mean())
        spatial = stages.pop("spatial")
        stages |= {"spatial": spatial[:, :2], "spatial_token_mean": spatial.mean(-1)}
        stages["spatial_token_std"] = spatial.std(-1)
        if case == "random":  # not every file has every stage
            stages.pop("block0")
        inputs[f"{case}.mask"] = mask
        outputs |= under(f"{case}.", stages)
    names = list(w)
    gradients = torch.autograd.grad(losses[0] + 0.5 * losses[1], list(w.values()))
    outputs["grad.losses"] = torch.stack(losses)
    outputs["grad.norms"] = torch.stack([gradient.norm() for gradient in gradients])
    what = {
        "grad.norms": "gradient norms of mse(spatial, target.spatial) + 0.5*mse(motion, target.motion) with the tube mask"
    }
    more = {
        "constructor": TM,
        "param_order": names,
        "fixed_tables": ["encoder.pos_embed", "decoder_pos_embed"],
        "tolerance": {"all": "atol 5e-5", "grad": "relative 2e-3"},
    }
    return File("TrackMAE pretraining model", inputs, outputs, what, more, w)


def tm_finetune() -> File:
    """The encoder of tm_net, fine-tuned for three classes."""
    video, w = noise(generator("tm_finetune"), 1, 6, 24, 24, 3), Weights()
    made = {name.removeprefix("encoder_"): value for name, value in TM.items() if "decoder" not in name}
    made["num_classes"] = 3
    outputs = trackmae.fine_tuned(w, video, made)
    del outputs["block0"]
    more = {"constructor": made, "tolerance": {"all": "atol 1e-4"}}
    return File("TrackMAE fine-tuning model", {"video_u8": video}, outputs, {}, more, w)


def tm_targets() -> File:
    """3 × 3 tokens of three tubelets, from lattices of 3 × 3 and 6 × 6 points."""
    rng = generator("tm_targets")
    video = noise(rng, 1, 6, 12, 12, 3)
    mask = rng.permutation(27)[None] < 19
    inputs: Arrays = {"video_u8": video, "mask": mask}
    outputs: Arrays = trackmae.pixel_targets(video, torch.from_numpy(mask), 4)
    for side in (3, 6):
        tracks = (rng.normal(0, 2, (1, 3, side**2, 2)).cumsum(axis=1) + 6).astype(np.float32)
        inputs[f"tracks{side}"] = tracks
        fine = torch.from_numpy(tracks).double()
        if side == 3:
            fine = trackmae.upsampled(fine)
            outputs["tracks3_upsampled"] = fine[:, [0, 2]]
        made = trackmae.motion_targets(fine)
        if side == 3:
            outputs["subpoint_std"] = made["spread"]
        for norm in ("patch", "none"):
            outputs[f"motion_{'3up' if side == 3 else '6'}_{norm}"] = made[norm]
    tolerance = {
        "pixel": "atol 1e-4",
        "motion_none": "atol 1e-4 (px)",
        "motion_patch": "atol 2e-3 where subpoint_std > 1e-2; skip below",
        "tracks_up": "atol 1e-4",
    }
    what = {"tracks3_upsampled": "of steps 0 and 2"}
    more = {"constructor": {"patch_size": 4, "frames": 6, "lattice": 3}, "tolerance": tolerance}
    return File("TrackMAE pixel and motion targets", inputs, outputs, what, more)


def tm_motion_mask() -> File:
    """4 × 4 tubes, five steps; in b and d a half is asked for more than its eight tubes."""
    rng = generator("tm_motion_mask")
    speed = {side: rng.uniform(0.5, 3, (2, 1, side**2, 1)) for side in (4, 8)}
    inputs: Arrays = {
        f"tracks{side}": (rng.normal(0, 1, (2, 5, side**2, 2)) * speed[side]).cumsum(axis=1).astype(np.float32)
        for side in speed
    }
    outputs: Arrays = {}
    stats = {}
    for case, side, shown, share in (("a", 8, 6, 0.5), ("b", 4, 13, 0.1), ("c", 8, 5, 0.0), ("d", 4, 14, 0.9)):
        of_fast = int(share * shown)
        draws = rng.random((2, 2, 8)).astype(np.float32)
        extra = rng.integers(0, 8, (2, 8))
        motion = trackmae.tube_motion(inputs[f"tracks{side}"], 4)
        assert (np.diff(np.sort(motion)) > 1e-4).all()
        made = [trackmae.motion_mask(motion[i], list(draws[i]), extra[i], shown, of_fast) for i in range(2)]
        hidden, fast = (np.stack(part) for part in zip(*made, strict=True))
        inputs |= {f"{case}.params": np.array([side**2, shown, share, of_fast], dtype=np.float32)}
        inputs |= {f"{case}.noise_high": draws[:, 0], f"{case}.noise_low": draws[:, 1], f"{case}.extra_int": extra}
        outputs |= under(f"{case}.", {"magnitude": motion, "high_bin": fast, "mask": hidden})
        stats[f"{case}."] = {
            "visible": (~hidden).sum(axis=1).tolist(),
            "visible_from_high": (~hidden & fast).sum(axis=1).tolist(),
        }
    tolerance = {"magnitude": "atol 1e-4", "high_bin": "exact", "mask": "exact"}
    more = {"constructor": {"grid": 4}, "stats": stats, "tolerance": tolerance}
    return File("TrackMAE motion-aware tube masking", inputs, outputs, {}, more)


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
