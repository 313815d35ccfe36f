"""The Python interface of `import vgmae_bench`: runs, tracks and scores. The command line uses it, too."""
