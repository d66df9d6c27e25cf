"""One module per data source: download, miniature, preprocess, read."""
