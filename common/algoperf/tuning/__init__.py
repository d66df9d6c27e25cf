"""Search spaces, trial points, and which (study, trial) gets which point."""
