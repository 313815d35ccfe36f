"""Commands that measure abilities other than tracking."""
