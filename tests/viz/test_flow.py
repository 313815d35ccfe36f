from __future__ import annotations

import numpy as np

from vgmae_bench.viz.flow import colour_flow


def test_flow_is_white_at_rest_and_red_to_the_right() -> None:
    flow = np.zeros((1, 2, 64, 2))
    flow[0, 1, :, 0] = 2.0
    assert colour_flow(flow)[0, :, 0].tolist() == [[255, 255, 255], [255, 0, 0]]
