"""JAX models that several cubes share."""
