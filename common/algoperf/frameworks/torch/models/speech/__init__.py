"""What the two speech models share: features, their augmentation, and layers that know paddings."""
