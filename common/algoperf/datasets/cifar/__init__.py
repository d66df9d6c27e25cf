"""CIFAR-10: its archive, and a miniature of textures."""
