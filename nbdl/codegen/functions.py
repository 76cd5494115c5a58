"""What a generated module holds beside its step: functions and tables, each printed once however many need it."""

from __future__ import annotations

import re

from nbdl.codegen.names import ModuleNames


class Functions:
    """The functions and tables of a module: `names` are theirs, `lines` the text of the functions."""

    def __init__(self) -> None:
        self.names = ModuleNames()
        self.lines: list[str] = []
        self._functions: dict[str, str] = {}
        self._tables: dict[str, str] = {}

    def define(self, decorator: str, name: str, parameters: list[str], body: list[str]) -> str:
        """Print a function unless one with the same body exists already; returns its name."""
        key = _canonical("\n".join([decorator, ", ".join(parameters), *body]), parameters)
        if key not in self._functions:
            self._functions[key] = self.names.unique(name)
            self.lines += [
                "",
                *[f"@{decorator}"] * bool(decorator),
                f"def {self._functions[key]}({', '.join(parameters)}):",
                *("    " + line if line else "" for line in body),
                "",
            ]
        return self._functions[key]

    def table(self, text: str, base: str) -> str:
        """The name of an array that the module makes when it is imported."""
        if text not in self._tables:
            self._tables[text] = self.names.unique(base)
        return self._tables[text]

    @property
    def table_lines(self) -> list[str]:
        """The lines that make the tables."""
        return [f"{name} = {text}" for text, name in self._tables.items()]


def _canonical(text: str, parameters: list[str]) -> str:
    """The text with parameters named by their places, as two functions for different layers have other names only."""
    places = {name: f"${place}" for place, name in enumerate(parameters)}
    return re.sub(r"\w+", lambda match: places.get(match[0], match[0]), text)
