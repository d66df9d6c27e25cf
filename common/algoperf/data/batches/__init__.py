"""From stored examples to batches: order, sharding, padding, prefetching."""
