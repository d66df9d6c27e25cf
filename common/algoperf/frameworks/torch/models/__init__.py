"""PyTorch models that several cubes share."""
