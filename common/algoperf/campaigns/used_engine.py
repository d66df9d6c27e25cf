"""Which engine carries a campaign out, with which settings: `status` and `cancel` have to ask the same one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from algoperf.campaigns.engines import load_engine
from algoperf.campaigns.engines.base import Engine
from algoperf.campaigns.folder import ENGINE, Campaign
from algoperf.campaigns.site import Site, read_site, site_of
from algoperf.errors import UserError
from algoperf.records.json_file import read_object, write_json


def choose(campaign: Campaign, name: str | None, site: Path | None, at_once: int | None = None) -> tuple[str, Site]:
    """The engine asked for, else the last one, else "local"; with the settings of a file, else the last ones.

    Raises UserError if another engine than the last one is asked for while that one still has runs.
    """
    used = _used(campaign)
    before = used.get("engine")
    name = name or before or "local"
    if before not in (None, name) and remember(campaign, before, _settings(used), write=False).live():
        raise UserError(
            f"The engine {before} still has runs of this campaign. Wait for them, or end them first: "
            f"algoperf campaign cancel {campaign.path}"
        )
    settings = read_site(site) if site is not None else _settings(used)
    if at_once is not None and name in ("local", "slurm"):
        changed = dataclasses.replace(getattr(settings, name), at_once=at_once)
        settings = dataclasses.replace(settings, **{name: changed})
    return name, settings


def remember(campaign: Campaign, name: str, settings: Site, write: bool = True) -> Engine:
    """The engine, after noting that it is this one."""
    engine = load_engine(name, campaign, settings)
    if write:
        write_json(campaign.path / ENGINE, {"engine": name, "site": settings.as_dict()})
    return engine


def last_engine(campaign: Campaign) -> Engine | None:
    """The engine that was used last; None if none was."""
    used = _used(campaign)
    return remember(campaign, used["engine"], _settings(used), write=False) if used else None


def last_site(campaign: Campaign) -> Site:
    """The settings that were used last."""
    return _settings(_used(campaign))


def _used(campaign: Campaign) -> dict[str, Any]:
    return read_object(campaign.path / ENGINE) or {}


def _settings(used: dict[str, Any]) -> Site:
    return site_of(ENGINE, used.get("site", {}))
