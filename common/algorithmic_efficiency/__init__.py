"""The older name of `algoperf`, kept for published PyTorch submissions of v0.5; v0.6 semantics apply."""
