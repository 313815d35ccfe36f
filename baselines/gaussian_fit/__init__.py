"""Video-GMAE's Gaussians without its network: they are fitted to each clip."""

from vgmae_bench import MethodSpec

SPEC = MethodSpec(
    name="gaussian-fit",
    tracker="vgmae_baselines.gaussian_fit.tracker:GaussianFit",
    summary="Fits Video-GMAE's moving Gaussians to each clip, no network; points follow them as in Video-GMAE.",
    direction="forward",
    key_settings=("steps", "grid", "window", "variant", "tau"),
    paper="The representation: Baranwal et al., arXiv 2512.22489. The fitting is this project's own",
    licence="Apache-2.0",
)
