"""Commands that track and score."""
