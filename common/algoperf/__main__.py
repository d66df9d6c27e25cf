"""`python -m algoperf` is `algoperf`."""

from algoperf.cli import main

main()
