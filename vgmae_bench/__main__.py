"""`python -m vgmae_bench` is `vgmae-bench`."""

from vgmae_bench.cli import main

if __name__ == "__main__":
    main()
