"""`nbdl`: the commands brought together, those of plugins among them, and errors turned into one clear message."""

import os
import sys
from collections.abc import Callable
from traceback import walk_tb
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nbdl.errors import InterruptedTraining, NbdlError, PluginError, suggest
from nbdl.plugins import disable
from nbdl_cli import (
    bench,
    cache,
    doctor,
    evaluate,
    export,
    generate,
    inspect,
    listing,
    plot,
    plugins,
    predict,
    show,
    train,
)
from nbdl_cli.exit_codes import DISK, EXIT_FAILED, EXIT_INTERRUPTED, exit_code
from nbdl_cli.plugin_commands import plugin_command, plugin_command_names

HELP = "Train, inspect and run neural networks that are compiled from readable Python to one native program."

# One line a file: its Typer app, whose commands become commands of `nbdl`, in this order in the help.
COMMAND_FILES = (
    *(train, evaluate, predict, generate, export, bench, inspect, plot),
    *(listing, show, plugins, cache, doctor),
)


class NbdlGroup(TyperGroup):
    """The commands of nbdl and of plugins; what goes wrong in them ends as a message and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.commands, *plugin_command_names(self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self.commands.get(cmd_name) or plugin_command(cmd_name, self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command {args[0]!r}; {suggest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        return guarded(lambda: super(NbdlGroup, self).invoke(ctx))


def guarded(work: Callable[[], Any]) -> Any:
    """Do some work; turn an error of nbdl, Ctrl-C and a bug into a message on stderr and an exit code.

    With `NBDL_DEBUG=1` errors keep their traceback.
    """
    try:
        return work()
    except InterruptedTraining as stop:
        typer.echo(str(stop), err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except NbdlError as error:
        if _debugging():
            raise
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(exit_code(error)) from None
    except OSError as error:
        if _debugging() or error.errno not in DISK:
            raise
        typer.echo(f"Error: {error.filename or 'the answer'} can't be written: {error.strerror}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    except MemoryError as error:
        if _debugging():
            raise
        asked = f" ({error})" if str(error) else ""
        advice = "try a smaller model, a smaller --batch-size or fewer rows"
        typer.echo(f"Error: there is not enough memory{asked}; {advice}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


def _debugging() -> bool:
    return os.environ.get("NBDL_DEBUG", "") not in ("", "0")


app = typer.Typer(
    name="nbdl",
    cls=NbdlGroup,
    help=HELP,
    no_args_is_help=True,
    # Rich help would take a third of the time that `nbdl --help` may take.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for file in COMMAND_FILES:
    app.add_typer(file.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nbdl {version('nbdl')}")
        raise typer.Exit


def _leave_out(names: list[str]) -> list[str]:
    # As early as this, because a plugin that is left out adds no commands to the help either.
    if names:
        try:
            disable(*names)
        except PluginError as error:
            raise typer.BadParameter(str(error)) from None
    return names


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option(
            callback=lambda names: _leave_out(names or []),
            is_eager=True,
            metavar="NAME",
            help="Leave out a plugin, by package or module name; can be repeated.",
        ),
    ] = None,
) -> None:
    """Train, inspect and run neural networks that are compiled from readable Python to one native program."""


def main() -> None:
    """Run the command line; the entry point of `nbdl`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if _debugging():
            raise
        owner = _plugin_of(error) or "this is a bug in nbdl or in a plugin"
        typer.echo(
            f"Error: {owner}: {type(error).__name__}: {error}\nRun it again with NBDL_DEBUG=1 to see where.", err=True
        )
        sys.exit(EXIT_FAILED)


def _plugin_of(error: BaseException) -> str:
    """Whose code raised an error, if it was a plugin's: the innermost of those that were being called."""
    from nbdl import plugins

    modules = {each.module.partition(".")[0]: each for each in plugins.report() if each.package != "nbdl"}
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        plugin = modules.get(frame.f_globals.get("__name__", "").partition(".")[0])
        if plugin is not None:
            where = f"{frame.f_code.co_name}, line {line} of {frame.f_globals['__name__']}"
            return f"the plugin {plugin.module} ({plugin.package} {plugin.version}) failed in {where}"
    return ""
