"""Files of datasets: where they lie, downloads, archives, digests, clip names."""
