"""What a checkpoint needs to know of the processes that write it together."""

from __future__ import annotations

from typing import Any, Protocol

from algoperf.checkpoint.tree import LeafCodec


class Processes(Protocol):
    """The processes of one trial, as one of them sees them.

    Attributes:
      rank: number of this process.
      num_processes: processes that train together.
      codecs: how the framework's arrays are saved.
    """

    rank: int
    num_processes: int
    codecs: dict[str, LeafCodec]

    def agree(self, *decisions: bool) -> tuple[bool, ...]:
        """Process 0's decisions, in every process. Waits for other processes, but not for devices."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in rank order, in every process."""
        ...
