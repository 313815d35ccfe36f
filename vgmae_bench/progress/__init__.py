"""Progress of long work: a bar on a terminal, one line a minute elsewhere."""
