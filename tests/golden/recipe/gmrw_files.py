"""Files about GMRW, at sizes that the official set does not have."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import gmrw
from .file import Arrays, File, generator, under
from .rule import Weights, noise


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
