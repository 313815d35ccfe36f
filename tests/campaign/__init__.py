"""A long stress test of the program: kills, full disks, colliding writers, and randomly damaged files.

`make test` does not run it. It takes the given time.

    python -m tests.campaign --minutes 30                       # all sections share the time
    python -m tests.campaign --minutes 10 mutated killed        # two sections
    python -m tests.campaign mutated --readers hdf5,videos      # some readers of one section

It prints one line of counts for each section. The exit code is 1 if it found a fault. It keeps inputs and states with
faults in the folder --keep. For each fault that you correct, add a small test.
"""
