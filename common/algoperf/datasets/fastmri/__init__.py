"""fastMRI, single-coil knee: archives, volumes, slices, masks, batches, and a miniature of ellipses."""
