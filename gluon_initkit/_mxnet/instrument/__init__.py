"""Watching a network at work: patches of its own blocks and parameters, and who is told what happens to them."""
