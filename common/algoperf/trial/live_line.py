"""What a trial does right now: as one line with a bar that fits any terminal, or as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_BAR_WIDTHS = (30, 20, 10)  # columns; narrower ones when fields do not fit


@dataclass(frozen=True)
class State:
    """What a trial does right now.

    Attributes:
      fields: short texts, the most important one first.
      share: how much of the trial is done at least, from 0 to 1; None if that is unknown.
    """

    fields: tuple[str, ...]
    share: float | None = None

    def plain(self) -> str:
        """All of it, for a log."""
        return " | ".join(self.fields)


class LiveLine:
    """A state for rich: one line, as wide as the console at the moment of drawing at most.

    The bar is shortened first; then fields are left out from the end, and the bar goes last but for one field.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield next(line for line in self._candidates() if line.cell_len <= options.max_width or _is_short(line))

    def _candidates(self) -> Iterator[Text]:
        """Lines from the longest to the shortest."""
        from rich.text import Text

        fields = self._state.fields
        for count in range(len(fields), 0, -1):
            text = "  ".join(fields[:count])
            for width in _BAR_WIDTHS if self._state.share is not None else ():
                yield Text.assemble(_bar(self._state.share or 0.0, width), "  ", text)
            if count == 1 or self._state.share is None:
                yield Text(text)
        yield Text(fields[0] if fields else "", no_wrap=True, overflow="ellipsis", end="")


def _is_short(line: Text) -> bool:
    """Whether a line is the last candidate, which is cut off if need be."""
    return line.overflow == "ellipsis"


def _bar(share: float, width: int) -> Text:
    from rich.text import Text

    full = round(min(max(share, 0.0), 1.0) * width)
    return Text.assemble(("━" * full, "cyan"), ("━" * (width - full), "bright_black"), f" {100 * share:3.0f} %")
