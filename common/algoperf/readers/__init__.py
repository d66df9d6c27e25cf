"""Reads files that people write. What is wrong with one is said with its path and the place in it."""
