"""Everything that imports jax."""
