"""Campaigns: many runs, planned before the first one begins, carried out by an engine until all have ended."""
