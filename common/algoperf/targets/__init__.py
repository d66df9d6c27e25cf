"""Sets targets by the benchmark's protocol: search, repeat the best, take the median. See docs/targets.md."""
