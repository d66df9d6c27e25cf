"""ogbg-molpcba: its archive, padded batches of graphs, and a miniature of generated molecules."""
