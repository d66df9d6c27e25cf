"""Texts as sequences of integers."""
