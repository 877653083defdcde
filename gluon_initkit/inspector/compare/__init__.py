"""What differs between two networks, reports or files, and what a network would load of a file."""
