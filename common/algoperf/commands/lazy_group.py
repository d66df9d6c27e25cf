"""A group of commands that are imported on use, so that help is fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """A group whose commands are functions named like their modules, `algoperf.commands.<prefix><name>`.

    A `-` in a command's name is a `_` there.
    """

    table: Mapping[str, str] = {}
    prefix = ""
    program = "algoperf"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the table."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; None if there is none."""
        del ctx
        if cmd_name not in self.table:
            return None
        name = self.prefix + cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"algoperf.commands.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises UserError, with the nearest name, if there is none such."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from algoperf.errors import unknown

            raise unknown("command", args[0], self.table, f"See: {self.program} --help")
        return super().resolve_command(ctx, args)
