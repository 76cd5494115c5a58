"""What rows of tokens of one vocabulary have in common, where the next token is to be predicted."""

from collections.abc import Iterable
from dataclasses import dataclass

from nbdl.data.checks import Array
from nbdl.data.target import TargetEncoding, label_encoding
from nbdl.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class NextTokens:
    """A vocabulary whose tokens are the classes: base of what turns texts into rows."""

    vocabulary: Vocabulary

    @property
    def target(self) -> TargetEncoding:
        """The classes: the tokens."""
        return label_encoding(self.vocabulary.tokens, "next token")

    def decode(self, tokens: Iterable[Array]) -> list[str]:
        """Return the texts of rows of tokens."""
        return [self.vocabulary.decode(row) for row in tokens]

    def inverse_target(self, y: Array) -> Array:
        """Return class numbers as they are."""
        return y
