"""Processes that prepare batches, and pause while the clock is stopped."""
