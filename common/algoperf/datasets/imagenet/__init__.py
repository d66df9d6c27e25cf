"""ImageNet and ImageNet-v2: archives, shards, batches, and a miniature of textures."""
