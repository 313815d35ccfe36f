"""TAP-Vid-Kinetics: joins videos that the user brings with the published tracks."""
