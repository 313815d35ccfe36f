"""What TrackMAE learns to predict, and which tubes it is shown."""
