"""`algoperf check`: does a submission keep the rules? Reads it without importing it, then runs it in processes."""
