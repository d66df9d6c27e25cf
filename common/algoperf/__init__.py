"""The harness that every AlgoPerf cube shares: data, timed training loop, evaluation, records."""

__version__ = "0.1.0"
