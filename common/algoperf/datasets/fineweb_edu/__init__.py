"""FineWeb-Edu: web pages of educational value, as one stream of GPT-2 tokens."""
