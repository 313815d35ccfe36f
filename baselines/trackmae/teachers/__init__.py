"""Where TrackMAE's tracks come from: teachers and the cache of their answers."""
