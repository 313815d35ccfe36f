"""What is measured besides tracking: actions (probing) and single images (space)."""
