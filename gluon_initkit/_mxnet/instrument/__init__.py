"""Observation of a network at work: patches of its own blocks and parameters, and the events that they report."""
