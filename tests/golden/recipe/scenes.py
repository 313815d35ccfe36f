"""The files of the set about Gaussians: primitives, rendered scenes, flow and tracks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import splatting, videogmae
from .file import Arrays, File, generator, under
from .rule import noise


def camera(height: int, width: int) -> tuple[Tensor, Tensor]:
    """View and intrinsics of the fixed camera: 90 degrees across, 8 in front of the scene."""
    fx = width / 2
    view = torch.eye(4).double()
    view[2, 3] = 8
    return view, torch.tensor([[fx, 0, width / 2], [0, fx * width / height, height / 2], [0, 0, 1]]).double()


def project_composite() -> File:
    """Eleven Gaussians, two cameras, frames of 9 × 14 pixels."""
    rng, size = generator("vg_project_composite"), (9, 14)
    given: Arrays = {
        "means": rng.normal(0, 1.5, (11, 3)),
        "quats": rng.normal(0, 1, (11, 4)),
        "scales": rng.uniform(0.1, 0.8, (11, 3)),
        "opacities": rng.uniform(0.2, 1, 11),
        "colors": rng.random((11, 3)),
    }
    given["means"][10] = 0, 0, -9  # behind both cameras
    turn = np.array([[np.cos(0.4), 0, np.sin(0.4)], [0, 1, 0], [-np.sin(0.4), 0, np.cos(0.4)]])
    views = np.tile(np.eye(4), (2, 1, 1))
    views[1, :3, :3] = turn
    views[:, 2, 3] = 5, 6
    focal = np.array([[[7, 0, 7.5], [0, 9, 4], [0, 0, 1]], [[11, 0, 6], [0, 10, 5], [0, 0, 1.0]]])
    given |= {"viewmats": views, "Ks": focal}
    inputs = {name: np.asarray(value, dtype=np.float32) for name, value in given.items()}
    exact = {name: torch.from_numpy(value).double() for name, value in inputs.items()}
    covars = splatting.covariance(exact["quats"], exact["scales"])
    seen, made = [], []
    for view, focals in zip(exact["viewmats"], exact["Ks"], strict=True):
        seen.append(splatting.project(exact["means"], covars, view, focals, size))
        made.append(splatting.weights(seen[-1], exact["opacities"], size))
    outputs: Arrays = {name: torch.stack([one[name] for one in seen]) for name in seen[0]}
    shown = torch.stack([weights for weights, _ in made])
    outputs |= {
        "covars": covars,
        "conics_f64": outputs["conics"],
        "C": shown @ exact["colors"],
        "A": shown.sum(dim=-1, keepdim=True),
        "ambiguous": torch.stack([ambiguous for _, ambiguous in made]),
        "weights0": shown[0],
    }
    constants = {"max_alpha": splatting.MAX_ALPHA, "eps2d": splatting.EPS2D}
    more = {
        "culled": int((outputs["radii"] == 0).any(-1).sum()),
        "constants": {**constants, "near": splatting.NEAR, "far": splatting.FAR},
        "tolerance": {
            "projection": "atol 1e-3 px / rtol 1e-3 conics where radii>0",
            "radii": "exact except |3.33 sigma - integer|<1e-3",
            "C": "atol 2e-4 outside ambiguous",
            "A": "atol 2e-4 outside ambiguous",
        },
    }
    inputs["size"] = np.array([size[1], size[0]])
    return File("projection and compositing primitives", inputs, outputs, {}, more)


def rendered(scene: dict[str, Tensor], size: tuple[int, int]) -> tuple[list[dict[str, Tensor]], Tensor, Tensor]:
    """One clip's Gaussians in all frames: projections, weights [T, H, W, G], ambiguous [T, H, W]."""
    view, focal = camera(*size)
    covars = splatting.covariance(scene["quats"], scene["scales"])
    seen = [splatting.project(means, covars, view, focal, size) for means in scene["means"]]
    made = [splatting.weights(one, scene["opacities"], size) for one in seen]
    return seen, torch.stack([one for one, _ in made]), torch.stack([close for _, close in made])


def render() -> File:
    """Two clips of three frames of 20 × 20 pixels, seven Gaussians."""
    rng, side = generator("vg_render"), 20
    x_points = rng.normal(0, 1, (2, 21, 14)).astype(np.float32)
    x_points[:, :, 3:6] -= 1.5  # of moderate size
    video = noise(rng, 2, 3, side, side, 3)
    x = torch.from_numpy(x_points).double().requires_grad_()
    scene = videogmae.gaussians(x.unflatten(1, (3, 7)))
    outputs: Arrays = {}
    clips = []
    for clip in range(2):
        one = {name: value[clip] for name, value in scene.items()}
        seen, shown, ambiguous = rendered(one, (side, side))
        alpha = shown.sum(dim=-1, keepdim=True)
        colour = shown @ one["colors"][:, None]
        made = {name: torch.stack([frame[name] for frame in seen]) for name in seen[0]}
        made |= {"C": colour, "A": alpha, "ambiguous": ambiguous, "colors": one["colors"]}
        made["opacities"] = one["opacities"].expand(3, -1)
        made["image"] = colour * alpha + 1 - alpha
        clips.append(made)
    outputs |= {name: torch.stack([clip[name] for clip in clips]) for name in clips[0]}
    loss = (outputs["image"] - torch.from_numpy(video).double() / 255).square().mean(dim=(1, 2, 3, 4)).sum()
    outputs["loss"] = loss[None]
    outputs["grad_x_points"] = torch.autograd.grad(loss, x)[0]
    more = {
        "constructor": {
            "img_size": side,
            "num_gaussian": 7,
            "number_of_frames": 3,
            "scale_factor": 1.0,
            "mean_deltas": True,
            "rgb_deltas": False,
        },
        "tolerance": {
            "means2d": "atol 2e-4",
            "conics": "rtol 2e-4 atol 1e-6",
            "depths": "atol 1e-5",
            "radii": "exact except where 3.33*sigma is within 1e-4 of an integer",
            "image": "atol 1e-4 outside ambiguous, 6e-3 inside",
            "loss": "rtol 1e-5",
            "grad_x_points": "rtol 2e-3, atol 2e-6 (relative L2 < 1e-3)",
        },
    }
    return File("Video-GMAE rendering, loss and gradient", {"x_points": x_points, "video_u8": video}, outputs, {}, more)


def zeroshot_flow() -> File:
    """Frames of 9 × 14 pixels, 37 Gaussians (a chunk of 32 and one of 5), one point."""
    rng, (height, width), count, frames = generator("vg_zeroshot_flow"), (9, 14), 37, 3
    x_points = rng.normal(0, 1, (1, frames * count, 14)).astype(np.float32)
    x_points[..., 3:6] -= 2
    x_points[..., 13] += 1
    scene = videogmae.gaussians(torch.from_numpy(x_points).double().unflatten(1, (frames, count)))
    seen, shown, ambiguous = rendered({name: value[0] for name, value in scene.items()}, (height, width))
    centres = torch.stack([one["means2d"] for one in seen])
    steps = centres[1:] - centres[:-1]
    shown, ambiguous = shown[:-1], ambiguous[:-1]
    flows = (shown @ steps[:, None]) * shown.sum(dim=-1, keepdim=True)
    chunks = torch.stack([part.sum(dim=-1) for part in shown.split(32, dim=-1)], dim=-1)
    whole = chunks.repeat_interleave(32, dim=-1)[..., :count]
    tyx = np.array([[0, 4.3, 6.6]], dtype=np.float32)
    inputs: Arrays = {"x_points": x_points, "size": np.array([width, height]), "query_tyx": tyx}
    outputs: Arrays = {
        "flows": flows[None],
        "weights_official_blocks": chunks[None],
        "weights_onehot": shown[None],
        "centers": centres[None, 1:],
        "ambiguous": ambiguous[None],
    }
    start, settings = tyx[:, [2, 1]], (8, 0.5, 0.3)
    given = np.array([[36, 1, 2, 3, 5, 8, 13, 33]])
    for kind, weights, ids in (("onehot", shown, None), ("official", whole, given)):
        made = videogmae.follow(flows.numpy(), weights.numpy(), centres[1:].numpy(), start, settings, ids)
        outputs |= under(f"e2e_{kind}.", made)
    what = {"e2e_onehot.traj": "topk 8, tau 0.5, beta 0.3"}
    more = {
        "constructor": {"T": frames, "G": count, "W": width, "H": height, "chunk": 32},
        "tolerance": {
            "flows": "atol 2e-4 outside ambiguous (0.05 inside)",
            "weights": "atol 1e-4 outside ambiguous",
            "centers": "atol 2e-4",
            "e2e_traj": "atol 2e-3",
        },
    }
    return File("zero-shot flow, weights, centres and tracks", inputs, outputs, what, more)


def track() -> File:
    """Five frames of 9 × 14 pixels, ten Gaussians; a point leaves the frame downwards, where one size clips both axes."""
    rng, (height, width), count = generator("vg_track"), (9, 14), 10
    flows = rng.normal(0, 1.5, (4, height, width, 2)).astype(np.float32)
    flows[:, 5:, :, 1] += 2.5
    weights = rng.dirichlet(np.full(count, 0.4), (4, height, width)).astype(np.float32) * np.float32(0.9)
    weights[2, :3] = 0
    centres = rng.uniform(0, [width, height], (4, count, 2)).astype(np.float32)
    points = np.array([[3.2, 2.4], [10.7, 6.1], [6.5, 7.8]], dtype=np.float32)
    inputs: Arrays = {"points_xy": points, "flows": flows, "weights": weights, "centers": centres}
    exact = [value.astype(float) for value in (flows, weights, centres)]
    outputs: Arrays = {}
    cases = ((8, 0.5, 0.3), (3, 0.4, 0.3), (count + 2, 0.05, 0.7), (1, 0.3, 0.0))
    for case, settings in enumerate(cases):
        inputs[f"c{case}.params"] = np.array(settings, dtype=np.float32)
        outputs |= under(f"c{case}.", videogmae.follow(*exact, points, settings))
    nothing = videogmae.follow(exact[0], np.zeros_like(exact[1]), exact[2], points, (count, 0.5, 0.3))
    outputs |= under("zero.", {name: nothing[name] for name in ("traj", "pis", "vis")})
    usual = videogmae.follow(*exact, points, (8, 0.5, 0.3))
    clipped = usual["traj"].clip(0, width)
    assert (clipped[..., 1] > height).any() and (usual["vis"] == 0).any() and (usual["vis"] == 1).any()
    outputs |= {"wrap.tracks": clipped, "wrap.occlusions": 1 - usual["vis"]}
    inputs["wrap.points_tyx"] = np.concatenate([np.zeros((3, 1)), points[:, ::-1]], axis=1).astype(np.float32)
    inputs["sample_xy"] = np.array([[0.25, 7.75], [13.4, -0.6], [-1.5, 9.2]], dtype=np.float32)
    outputs["sample_flow"] = np.stack([videogmae.sample(exact[0][0], *xy) for xy in inputs["sample_xy"].astype(float)])
    what = {
        "zero.traj": "all weights zero, topk=G, tau 0.5, beta 0.3: uniform pi",
        "wrap.tracks": f"clipped to [0,{width}] (image_size={width})",
    }
    made: dict[str, Any] = {"T": 5, "H": height, "W": width, "G": count, "N": len(points)}
    more = {"constructor": made, "tolerance": {"traj": "atol 1e-4", "ids": "exact", "pis": "atol 1e-5"}}
    return File("zero-shot tracking", inputs, outputs, what, more)


FILES: dict[str, Callable[[], File]] = {
    "vg_project_composite.npz": project_composite,
    "vg_render.npz": render,
    "vg_zeroshot_flow.npz": zeroshot_flow,
    "vg_track.npz": track,
}
