"""Commands that measure what is not tracking."""
