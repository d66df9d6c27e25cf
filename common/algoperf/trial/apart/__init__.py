"""Evaluations in a clean process, while all processes of the trial stand still (`algoperf train --evaluation apart`).

`remote` is in the trial's process: it writes a snapshot of the model and asks the parent for its metrics. In the
parent, `evaluations` stops the trial (`standstill`), lets the clean process (`process`, `model`) evaluate, and goes on.
"""
