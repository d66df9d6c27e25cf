"""What carries out a campaign: one file per engine, one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from algoperf.errors import unknown

if TYPE_CHECKING:
    from algoperf.campaigns.engines.base import Engine
    from algoperf.campaigns.folder import Campaign
    from algoperf.campaigns.site import Site

ENGINES = {"local": "Local", "slurm": "Slurm", "skypilot": "SkyPilot"}
"""Module below this package -> its class."""


def load_engine(name: str, campaign: Campaign, site: Site) -> Engine:
    """An engine for a campaign. Raises UserError if there is none of this name, or if it cannot work here."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    module = importlib.import_module(f"algoperf.campaigns.engines.{name}")
    engine: Engine = getattr(module, ENGINES[name])(campaign, site)
    return engine
