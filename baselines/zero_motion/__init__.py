"""zero-motion: predicts no motion. Every method must be better."""

from vgmae_bench import MethodSpec

SPEC = MethodSpec(
    name="zero-motion",
    tracker="vgmae_baselines.zero_motion.tracker:ZeroMotion",
    summary="Predicts that nothing moves and everything stays visible.",
    floor=True,
    licence="Apache-2.0",
)
