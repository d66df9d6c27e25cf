"""From the web to raw files: downloads that resume, archives, progress."""
