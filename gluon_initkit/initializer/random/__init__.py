"""Random numbers that are a function of a key, the same bits on every NumPy and every machine."""
