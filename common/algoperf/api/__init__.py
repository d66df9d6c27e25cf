"""The Python interface, for notebooks and scripts: `algoperf.train(...)`, `algoperf.score(...)` and others.

Runs go through the same processes as those of the command line, so their records are worth the same. Importing it
imports no framework. docs/python.md shows how to use it.
"""

from __future__ import annotations

from algoperf.api.comparing import Comparison, Scores, check, compare, score
from algoperf.api.run import Run, runs
from algoperf.api.training import train
from algoperf.api.writing import write_submission

__all__ = ["Comparison", "Run", "Scores", "check", "compare", "runs", "score", "train", "write_submission"]
