"""TAP-Vid-Kinetics: combines the user's videos with the published tracks."""
