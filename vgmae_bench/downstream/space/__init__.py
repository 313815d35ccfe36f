"""What methods see in single images, measured: figure and ground, outlines, and what they rebuild of what is hidden."""
