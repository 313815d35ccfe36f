"""Moving Gaussians: their parameters, fitting them to frames, and tracking points with them."""
