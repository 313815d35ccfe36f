"""Commands that compare scores."""
