"""Observation of a running network: patches of its blocks and parameters, and the events that they report."""
