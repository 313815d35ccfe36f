"""Pictures of what trackers see and say."""
