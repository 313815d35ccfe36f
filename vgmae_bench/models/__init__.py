"""Building blocks of networks and read-outs, and files of weights."""
