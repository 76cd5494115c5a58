"""Names of registered things for the shell's completion."""

from collections.abc import Callable


def complete_names(kind: str) -> Callable[[str], list[str]]:
    """Return a completer: the names of a kind that begin with what has been typed."""

    def complete(incomplete: str) -> list[str]:
        from nbdl.plugins import names

        return [name for name in names(kind) if name.startswith(incomplete)]

    return complete
