"""A campaign against the program: kills, full disks, writers that collide, and files that are damaged at random.

It is no part of `make test`: it takes as long as it is given.

    python -m tests.campaign --minutes 30                       # all sections, the time shared among them
    python -m tests.campaign --minutes 10 mutated killed        # two of them
    python -m tests.campaign mutated --readers hdf5,videos      # a section, some of its readers

It ends with a line of counts for each section, and with exit code 1 where something went wrong. Inputs and states that went
wrong are kept in the folder --keep. What a campaign finds becomes a small test beside the code that was mended.
"""
