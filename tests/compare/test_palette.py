"""A simulation shows that colour-blind readers can distinguish the methods. Markers distinguish them in grey print."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from vgmae_bench.compare.plots.style import palette

# Machado, Oliveira, Fernandes (2009), Table 1, severity 1.0; they apply to linear RGB.
SIMULATED = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
LEAST = 15.0
"""Distance in CIELAB. Patches with a distance of 10 or more look clearly different."""


def linear(colour: str) -> np.ndarray:
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB under D65 of linear RGB."""
    xyz = TO_XYZ @ rgb / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lab_colours_equal_the_standard() -> None:
    assert np.allclose(lab(linear("#FF0000")), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.parametrize("sight", SIMULATED)
def test_no_two_methods_look_alike(sight: str) -> None:
    seen = {
        name: lab(np.clip(np.array(SIMULATED[sight]) @ linear(colour), 0, 1)) for name, (colour, _) in palette().items()
    }
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(seen, 2)}
    assert min(distances.values()) > LEAST, sorted(distances.items(), key=lambda item: item[1])[:3]
