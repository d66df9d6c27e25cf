"""The two tuning rulesets, and the folders that their submissions are filed under."""

from __future__ import annotations

from typing import Literal

Ruleset = Literal["external", "self"]
"""external: the harness chooses hyperparameters from a search space; self: the submission does."""
RULESETS: tuple[Ruleset, ...] = ("external", "self")
RULESET_FOLDERS: dict[Ruleset, str] = {"external": "external_tuning", "self": "self_tuning"}
