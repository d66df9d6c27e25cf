"""News in German and English (WMT): from archives to packed batches of tokens."""
