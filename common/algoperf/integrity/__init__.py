"""Whether a trial can be trusted: watches and compares what a submission must not touch. See docs/integrity.md."""
