"""Decoding, cropping, resizing and augmenting pictures, on the host."""
