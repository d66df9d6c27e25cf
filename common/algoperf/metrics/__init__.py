"""Metrics, in numpy: turns the device's outputs per evaluation batch into one number per split."""
