"""What `import vgmae_bench` offers, and what the command line is made of: runs, tracks and scores from Python."""
