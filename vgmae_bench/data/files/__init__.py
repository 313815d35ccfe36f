"""Files of datasets: their places, downloads, archives, digests, clip names."""
