"""Commands that train a method or take its weights from elsewhere."""
