"""Re-evaluates checkpoints, and compares with the records. No code of a submission runs in this process."""
