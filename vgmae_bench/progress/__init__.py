"""Progress of long work: a bar on a terminal, otherwise one line per minute."""
