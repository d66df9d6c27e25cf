"""Submissions: loaded from their folder, started from a template, told what they lack."""
