"""The commands of `algoperf`, one module each. Modules import nothing but click until their command runs."""
