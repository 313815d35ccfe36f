"""Commands that set scores side by side."""
