"""What a workload is: its definition, how a cube is found, and what a submission sees of it."""
