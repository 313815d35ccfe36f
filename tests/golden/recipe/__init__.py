"""Makes the goldens in `small` by a reference written from the published methods. It imports nothing of `vgmae_bench`.

Inputs and weights are drawn in float32. Most computations from there on are in float64.
"""
