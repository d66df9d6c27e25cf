"""Which runs of a competition need not be made, or need not go on: exactly, or at a stated error.

`bounds.py` and `competition.py` have the exact rules, `futility.py` the other one; `pruner.py` asks them about cells.
`replay.py` applies them to recorded runs as if these were being made, and `live.py` to the folder of runs that are.
"""

from __future__ import annotations
