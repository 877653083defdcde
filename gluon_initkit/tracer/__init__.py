"""Deferred initialization: what is pending and why, when and how it was resolved, and one error for all its failures."""
