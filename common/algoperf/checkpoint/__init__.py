"""Checkpoints: the complete state of a trial, written atomically."""
