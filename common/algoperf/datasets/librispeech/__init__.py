"""LibriSpeech: its archives, its tokenizer, a store of 16-bit samples, and a miniature of synthetic speech."""
