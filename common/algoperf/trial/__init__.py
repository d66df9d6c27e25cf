"""One trial: request, settings, seeds, clock, state, the timed loop, and how it resumes and ends."""
