"""Video-GMAE's Gaussians without its network: fitted to every clip anew."""

from vgmae_bench import TrackerSpec

SPEC = TrackerSpec(
    name="gaussian-fit",
    factory="vgmae_baselines.gaussian_fit.tracker:GaussianFit",
    summary="Fits Video-GMAE's moving Gaussians to each clip, no network; points follow them as in Video-GMAE.",
    causal=True,
    paper="The representation: Baranwal et al., arXiv 2512.22489. The fitting is this project's own",
    licence="Apache-2.0",
)
