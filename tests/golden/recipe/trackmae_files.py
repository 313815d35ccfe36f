"""Files about TrackMAE, at sizes that the official set does not have."""

from __future__ import annotations

import numpy as np
import torch

from . import trackmae
from .file import Arrays, File, generator, under
from .rule import Weights, noise, rule

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
