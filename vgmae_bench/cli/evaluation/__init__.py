"""Commands that track, keep the tracks and score them."""
