"""Parity with the peers' own evaluators, on seeded random weights and one small clip. See data/README.md."""
