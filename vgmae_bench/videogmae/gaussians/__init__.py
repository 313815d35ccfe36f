"""Moving Gaussians: what they are, how they are fitted to frames and how points follow them."""
