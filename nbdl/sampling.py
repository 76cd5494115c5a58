"""Choose tokens by the scores that a language model gives them, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.errors import NumericsError, OptionError


@dataclass(frozen=True)
class Sampler:
    """How a token is drawn: softmax(scores / temperature), cut down to the most probable tokens.

    Args:
        temperature: below 1 the probable becomes more probable; 0 always takes the most probable token.
        top_k: how many of the most probable tokens are left; None leaves all.
        top_p: the fewest of the most probable tokens are left whose probabilities add up to this; after `top_k`.

    Raises:
        OptionError: a number out of its range.

    >>> Sampler(temperature=0).draw(np.array([0.1, 2.0, 0.3]), np.random.default_rng(0))
    1
    >>> Sampler(top_k=2).probabilities(np.log([0.5, 0.3, 0.2])).round(3)
    array([0.625, 0.375, 0.   ])

    Source: Fan, Lewis, Dauphin, Hierarchical Neural Story Generation, ACL 2018 (top-k); Holtzman et al., The Curious
    Case of Neural Text Degeneration, ICLR 2020 (top-p).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise OptionError(f"the temperature must be at least 0, not {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise OptionError(f"top_k must be at least 1, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise OptionError(f"top_p must be above 0 and at most 1, not {self.top_p}")

    def probabilities(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probabilities with which tokens are drawn, `(tokens,)`, given their scores (logits).

        Raises `NumericsError` if the scores are not numbers.
        """
        scores = np.asarray(scores, np.float64)
        if np.isnan(scores).any() or not np.isfinite(scores.max()):
            raise NumericsError("the network's scores of the next token are not finite: its weights are damaged")
        order = np.argsort(-scores, kind="stable")
        if self.temperature == 0:
            return np.eye(len(scores))[order[0]]
        shares = np.exp((scores - scores.max()) / self.temperature)
        if self.top_k is not None:
            shares[order[self.top_k :]] = 0
        shares /= shares.sum()
        if self.top_p is not None:
            before = np.cumsum(shares[order]) - shares[order]
            shares[order[before >= self.top_p]] = 0
            shares /= shares.sum()
        return shares

    def draw(self, scores: NDArray[Any], generator: np.random.Generator) -> int:
        """Return the number of a token."""
        shares = self.probabilities(scores)
        return int(np.searchsorted(np.cumsum(shares), generator.random() * shares.sum(), side="right"))


def continued(
    scores_of: Callable[[NDArray[np.int32]], NDArray[Any]],
    tokens: Sequence[int],
    length: int,
    *,
    window: int,
    sampler: Sampler,
    generator: np.random.Generator,
    stop: int | None = None,
) -> list[int]:
    """Return the tokens that a language model writes after some others.

    Args:
        scores_of: takes tokens `(1, window)` and returns scores of what follows each, `(1, window, tokens)`, which
            must not depend on what stands behind it.
        tokens: what is there already, at least one token; the last `window` are looked at.
        length: how many tokens to write.
        window: how many the model looks at.
        sampler: how one is chosen.
        generator: where chance comes from.
        stop: a token after which nothing follows; it is not returned.

    Raises:
        OptionError: nothing to begin with.

    >>> def next_number(x):
    ...     return np.eye(10)[(x + 1) % 10] * 100
    >>> continued(next_number, [7], 4, window=3, sampler=Sampler(0), generator=np.random.default_rng(0))
    [8, 9, 0, 1]
    """
    if not tokens:
        raise OptionError("a text needs a token to begin with")
    written = [int(token) for token in tokens]
    for _ in range(length):
        seen = written[-window:]
        padded = np.zeros((1, window), np.int32)
        padded[0, : len(seen)] = seen
        token = sampler.draw(scores_of(padded)[0, len(seen) - 1], generator)
        if token == stop:
            break
        written.append(token)
    return written[len(tokens) :]
