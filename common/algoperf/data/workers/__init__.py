"""Processes that prepare batches and stand still with the clock."""
