"""What an engine has to do. Everything else, such as what to do next, is the same for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.site import Site
from algoperf.campaigns.states import RunState
from algoperf.errors import AlgoperfError


class Engine(Protocol):
    """Carries out runs: each by `algoperf campaign execute`, on a machine that the engine finds.

    An engine keeps no state that is not in files or in its own service: the process that made it may be killed at any
    moment, and another one goes on.
    """

    stages_itself: bool
    """Whether data are staged by the engine, before the first run, and not by the process that calls it."""
    outlives_caller: bool
    """Whether runs go on when the process that began them is asked to stop."""

    def __init__(self, campaign: Campaign, site: Site) -> None:
        """Raises UserError if the engine cannot work here."""
        ...

    def live(self) -> Mapping[str, str]:
        """All runs that wait in the engine's queue or are carried out, with the engine's word for their state.

        Raises EngineAway if the engine does not answer: then nothing is known, and nothing must be begun.
        """
        ...

    def room(self, live: Mapping[str, str]) -> int:
        """How many more runs it takes now."""
        ...

    def start(self, runs: Sequence[PlannedRun]) -> None:
        """Begin these runs, at most as many as there is room for. None of them is live."""
        ...

    def at_work(self, begun: Sequence[RunState]) -> Mapping[str, bool]:
        """Whether a machine works on runs of this engine that have begun and have not ended, by their names.

        What the engine cannot know is left out: by default everything. Raises EngineAway.
        """
        del begun
        return {}

    def wait(self) -> None:
        """Return when something may have changed, or after a while."""
        ...

    def stop(self) -> None:
        """Ask the runs that this process has begun to save their state and end; for engines that do not outlive it."""
        ...

    def cancel(self, grace_sec: float) -> None:
        """End everything that is live, and return when nothing is left that runs or costs.

        Runs may save their state for `grace_sec` seconds, or as long as the engine grants them.
        """
        ...


class EngineAway(AlgoperfError):
    """The engine does not answer for the moment."""
