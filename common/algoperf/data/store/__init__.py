"""Preprocessed data on disk: arrays and blobs behind a manifest with hashes."""
