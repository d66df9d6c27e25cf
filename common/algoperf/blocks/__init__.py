"""Building blocks for submissions: batch sizes, schedules, training steps. Optional; the baselines use them."""
