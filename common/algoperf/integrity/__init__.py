"""Whether a trial can be believed: what a submission may not touch is watched and compared. See docs/integrity.md."""
