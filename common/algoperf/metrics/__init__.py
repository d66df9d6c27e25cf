"""Metrics, in numpy: what the device returns for each evaluation batch becomes one number per split."""
