"""Submissions: loading one from its folder, writing one from a template, advice about a missing package."""
