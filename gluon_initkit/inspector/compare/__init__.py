"""What differs between two networks, reports or files, and whether a network could load a file."""
