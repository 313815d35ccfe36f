"""What networks and their read-outs are made of."""
