"""Attention maps: from where a network takes what it makes at each place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nbdl import nn
from nbdl.data import Split
from nbdl.data.vocabulary import END, PADDING, Vocabulary
from nbdl.errors import DataError
from nbdl.tensor import Tensor
from nbdl_cli.answers import predicted_tokens
from nbdl_cli.figures import new_figure, shortened, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from nbdl_cli.pictures.subject import Subject

EXAMPLES = 4  # rows whose maps are drawn, for one map a row
MOST_HEADS = 8  # maps of one row
PLACES = 32  # of a sequence of tokens: as many can be read beside a map
VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥"}


@dataclass(frozen=True)
class Map:
    """Weights `(places made, places given)`, and what stands at the places: tokens if they are `named`, or steps."""

    title: str
    weights: np.ndarray
    made: list[str]
    given: list[str]
    named: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Places that are drawn: of sequences of numbers all, of tokens as many as can be named."""
        most = PLACES if self.named else max(self.weights.shape)
        return min(len(self.made), most), min(len(self.given), most)


def draw_attention(subject: "Subject") -> "Figure":
    """Draw the weights with which each place made (a line) takes from each place given (a column).

    They come from the network's `attention(x)`, or else from its multi-head attention. One map a row, `(n, target,
    source)`, is drawn for several rows; heads, `(n, heads, query, key)` or `(n, layers, heads, query, key)`, are drawn
    for one row, those of the last layer.

    Raises:
        DataError: the weights have another shape.

    Source: Bahdanau, Cho, Bengio, Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015.
    """
    rows = subject.rows.take(some(len(subject.rows), EXAMPLES))
    weights = _weights(subject, rows)
    if weights.ndim not in (3, 4, 5) or len(weights) != len(rows):
        raise DataError(f"the network's attention has the shape {weights.shape}; (n, target, source) or (n, heads, "
                        "query, key) can be drawn")
    vocabulary = getattr(subject.facts.preprocessing, "vocabulary", None)
    given = _given(rows, getattr(subject.facts.preprocessing, "source", vocabulary))
    if weights.ndim == 3:
        written = getattr(subject.facts.preprocessing, "target_vocabulary", vocabulary)
        made, true = _made(subject, rows, written), _true(rows, written)
        titles = [_title(*each) for each in zip(given, made, true, strict=True)]
        maps = [Map(*each, named=True) for each in zip(titles, weights, made, given, strict=True)]
        figure = _draw_maps(maps, ("token made", "token given"))
        figure.suptitle(f"{subject.name}: attention on some of {len(subject.rows):,} {subject.part} rows")
        return figure
    heads = weights[0] if weights.ndim == 4 else weights[0, -1]
    maps = [
        Map(f"head {number + 1}", head, given[0], given[0], named=vocabulary is not None)
        for number, head in enumerate(heads[:MOST_HEADS])
    ]
    figure = _draw_maps(maps, ("place that looks", "place looked at"))
    figure.suptitle(f"{subject.name}: attention of the last layer on the first {subject.part} row")
    return figure


def attends(subject: "Subject") -> bool:
    """Whether a network says from where it takes what it makes."""
    return subject.method("attention") is not None or any(
        isinstance(layer, nn.MultiHeadAttention) for layer in subject.net.modules()
    )


def _weights(subject: "Subject", rows: Split) -> np.ndarray:
    attention = subject.method("attention")
    if attention is not None:
        return np.asarray(attention(*subject.inputs(rows)), np.float32)
    with nn.attention_maps() as maps:
        subject.net.eval()(*map(Tensor, subject.inputs(rows)))
    return list(maps.values())[-1].numpy()


# --- what stands at the places ----------------------------------------------------------------------------------------


def _given(rows: Split, vocabulary: Vocabulary | None) -> list[list[str]]:
    """The names of the places of each row, as far as it goes: tokens, or steps of a sequence of numbers."""
    if vocabulary is not None:
        return [_names(vocabulary, row) for row in rows.values]
    lengths = np.full(len(rows), rows.values.shape[1]) if rows.lengths is None else rows.lengths
    return [[str(step + 1) for step in range(length)] for length in lengths]


def _made(subject: "Subject", rows: Split, vocabulary: Vocabulary | None) -> list[list[str]]:
    """The names of the places that the network makes, of its likeliest classes, up to the end."""
    tokens = predicted_tokens(subject.opened, rows)
    if vocabulary is None:
        return [[subject.classes[token] for token in row] for row in tokens]
    return [_names(vocabulary, row) for row in tokens]


def _true(rows: Split, vocabulary: Vocabulary | None) -> list[list[str]]:
    return [] if vocabulary is None else [_names(vocabulary, row) for row in rows.y]


def _names(vocabulary: Vocabulary, tokens: np.ndarray) -> list[str]:
    row = tokens[tokens >= 0].tolist()
    if vocabulary.special:
        row = row[: row.index(END) + 1] if END in row else row
        row = [token for token in row if token != PADDING]
    names = [vocabulary.tokens[token] for token in row]
    return [VISIBLE.get(name, shortened(name, 12)) for name in names]


def _title(given: list[str], made: list[str], true: list[str]) -> str:
    wrong = f" (true: {_text(true)})" if true != made else ""
    return f"{_text(given)} → {_text(made)}{wrong}"


def _text(names: list[str]) -> str:
    words = [name for name in names if not name.startswith("<")]
    return shortened(("" if all(len(word) == 1 for word in words) else " ").join(words))


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_maps(maps: list[Map], words: tuple[str, str]) -> "Figure":
    columns = 1 if len(maps) == 1 else 2 if len(maps) <= 4 else 3
    lines = -(-len(maps) // columns)
    tallest = [max(each.shape[0] / each.shape[1] for each in maps[line * columns : (line + 1) * columns])
               for line in range(lines)]
    heights = [0.5 + 5.4 / columns * min(height, 1.5) for height in tallest]
    figure = new_figure(7, 0.6 + sum(heights))
    places = list(figure.subplots(lines, columns, squeeze=False, height_ratios=heights).flat)
    largest = max(float(each.weights.max()) for each in maps)
    for axes, each in zip(places, maps, strict=False):
        image = _draw_map(axes, each, largest)
    for axes in places[len(maps) :]:
        axes.set_visible(False)
    for axes in places[-columns:]:
        axes.set_xlabel(words[1])
    for axes in places[::columns]:
        axes.set_ylabel(words[0])
    figure.colorbar(image, ax=places, label="attention weight", shrink=0.5, aspect=40)
    return figure


def _draw_map(axes: "Axes", each: Map, largest: float) -> "AxesImage":
    made, given = each.shape
    weights = each.weights[:made, :given]
    if each.named:
        image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=largest)
        size = 8 if max(each.shape) <= PLACES // 2 else 6
        turned = 90 * any(len(name) > 2 for name in each.given)
        axes.set_xticks(range(given), each.given[:given], fontsize=size, rotation=turned)
        axes.set_yticks(range(made), each.made[:made], fontsize=size)
        axes.tick_params(length=0, pad=2)
    else:
        image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=largest, aspect="auto",
                            extent=(0.5, given + 0.5, made + 0.5, 0.5))
        axes.locator_params(integer=True, nbins=6)
    axes.spines[:].set_visible(True)
    axes.set_title(each.title)
    return image
