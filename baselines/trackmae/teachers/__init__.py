"""Teachers, which provide TrackMAE's tracks, and the cache of their tracks."""
