"""Pictures of networks that encode, generate, give back, attend and forecast: stand-ins whose results are known."""

import numpy as np
import pytest
from nbdl_cli.figures import drawing
from nbdl_cli.network import OpenRun
from nbdl_cli.pictures.subject import Subject
from nbdl_cli.pictures.table import find, require
from nbdl_cli.run_data import DataFacts

from nbdl import nn
from nbdl.data import Dataset, Split
from nbdl.data.pairs import pairs_dataset
from nbdl.data.series_dataset import load_series
from nbdl.errors import DataError, OptionError, RunError
from nbdl.tensor_files import save_tensors
from nbdl.train import RunFolder


class StandIn(nn.Module):
    """Gives back half of its input."""

    def forward(self, *inputs):
        return inputs[0] * 0.5


@pytest.fixture
def draw(tmp_path):
    """Return a function that draws a picture of a network and a data set, and returns the figure."""

    def drawn(name, net, data, subject=None):
        subject = subject or run_of(tmp_path, net, data)
        with drawing():
            return require(find(name), subject).draw(subject)

    return drawn


def run_of(path, net, data):
    """A run as it would be read, of a network that wasn't trained."""
    with RunFolder.create(path / "run", {}) as folder:
        subject = Subject(folder.path)
    config = {"loss": {}, "train": {"validation_split": 0.1, "seed": 0}}
    subject.opened = OpenRun(folder, config, DataFacts.of(data), net, "last")
    subject.dataset = data
    return subject


def images(rows=12, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    x, y = rng.random((rows, 6, 5, channels)).astype(np.float32), np.arange(rows) % 3
    return Dataset("pictures", "classification", Split(x, y), test=Split(x, y), classes=("a", "b", "c"))


def tables(rows=12, seed=0, **options):
    x = np.random.default_rng(seed).normal(size=(rows, 4)).astype(np.float32)
    y = np.arange(rows) % 2
    return Dataset("t", "classification", Split(x, y), test=Split(x, y), features=("p", "q", "r", "s"), **options)


def tile(board, line, column, shape):
    """The image in its place of a mosaic, in which a pixel is as many as make it 24 large, and a gap a twelfth."""
    enlarged = 24 // max(shape)
    height, width = (size * enlarged for size in shape)
    gap = round(max(height, width) / 12)
    top, left = line * (height + gap), column * (width + gap)
    return np.asarray(board)[top : top + height : enlarged, left : left + width : enlarged]


# --- reconstructions -------------------------------------------------------------------------------------------------


def test_reconstructions_lie_below_their_originals(draw):
    net, data = StandIn(), images()
    net.task = "reconstruction"
    figure = draw("reconstructions", net, data)
    first, second = figure.axes
    x = data.test.x[..., 0]
    for axes, rows in ((first, x[:10]), (second, x[10:])):
        assert [text.get_text() for text in axes.get_yticklabels()] == ["original", "given back"]
        for column, row in enumerate(rows):
            np.testing.assert_array_equal(tile(axes.images[0].get_array(), 0, column, (6, 5)), row)
            np.testing.assert_array_equal(tile(axes.images[0].get_array(), 1, column, (6, 5)), row * 0.5)
    assert f"mean squared error {np.mean((x / 2) ** 2):.3g}" in figure.get_suptitle()


def test_what_is_denoised_is_drawn_as_well(draw):
    net, data = StandIn(), images(rows=200)
    net.task, net.noise = "reconstruction", 0.3
    figure = draw("reconstructions", net, data)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["original", "noisy", "given back"]
    noisy = float(figure.get_suptitle().partition("(noisy: ")[2].rstrip(")"))
    assert noisy == pytest.approx(0.09, rel=0.1)  # of 6,000 values


@pytest.mark.parametrize("shape", [(4,), (7, 1), (7, 2)], ids=str)
def test_reconstructions_of_tables_and_sequences(draw, shape):
    x = np.random.default_rng(0).normal(size=(20, *shape)).astype(np.float32)
    data = Dataset("d", "regression", Split(x, np.zeros((20, 1))), test=Split(x, np.zeros((20, 1))))
    net = StandIn()
    net.task = "reconstruction"
    figure = draw("reconstructions", net, data)
    drawn = figure.axes[0].lines
    channels = shape[1] if len(shape) == 2 else 1
    values = x[0].reshape(shape[0], channels)
    for channel in range(channels):
        np.testing.assert_array_equal(drawn[channel].get_ydata(), values[:, channel])
        np.testing.assert_array_equal(drawn[channels + channel].get_ydata(), values[:, channel] * 0.5)


# --- codes -----------------------------------------------------------------------------------------------------------


def encoding(codes):
    net = StandIn()
    net.encode = lambda x: np.asarray(codes(np.asarray(x)))
    return net


def test_codes_of_two_numbers_are_drawn_as_they_are(draw):
    data = tables(classes=("no", "yes"))
    figure = draw("latent", encoding(lambda x: x[:, :2]), data)
    (axes,) = figure.axes
    for number, line in enumerate(axes.lines):
        np.testing.assert_allclose(line.get_xydata(), data.test.x[data.test.y == number][:, :2])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no", "yes"]
    assert [text.get_text() for text in axes.texts] == ["no", "yes"]


def test_longer_codes_are_drawn_by_their_principal_components(draw):
    """Of codes along a line the first component says everything."""
    figure = draw("latent", encoding(lambda x: x[:, :1] * np.array([3.0, 4.0, 0.0])), tables(classes=("no", "yes")))
    (axes,) = figure.axes
    assert axes.get_xlabel() == "first principal component (100 % of the variance)"
    drawn = np.concatenate([line.get_xydata() for line in axes.lines])
    assert np.abs(drawn[:, 1]).max() < 1e-6
    assert "codes of 3 numbers" in figure.get_suptitle()


def test_codes_of_one_number_and_of_a_regression(draw):
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    data = Dataset("d", "regression", Split(x, x[:, :1]), test=Split(x, x[:, :1]))
    figure = draw("latent", encoding(lambda x: x[:, :1]), data)
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets()[:, 0], x[:, 0], rtol=1e-6)
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), x[:, 0], rtol=1e-6)


def test_codes_that_cannot_be_drawn(draw, tmp_path):
    with pytest.raises(DataError, match="the same code"):
        draw("latent", encoding(lambda x: np.zeros((len(x), 3))), tables(classes=("no", "yes")))
    subject = run_of(tmp_path / "other", encoding(lambda x: np.zeros(3)), tables(classes=("no", "yes")))
    with pytest.raises(DataError, match=r"codes have the shape \(3,\)"):
        draw("latent", None, None, subject)
    with pytest.raises(OptionError, match=r"needs a network with a method encode\(x\)"):
        draw("latent", None, None, run_of(tmp_path / "third", StandIn(), tables(classes=("no", "yes"))))


# --- samples ---------------------------------------------------------------------------------------------------------


def generating(samples):
    net = StandIn()
    net.task = "generation"
    net.generate = lambda count, seed: samples[:count]
    return net


def test_samples_by_epoch(draw, tmp_path):
    """A line for each of some epochs, with the first and the last, and all of the last."""
    rng = np.random.default_rng(0)
    subject = run_of(tmp_path, generating(None), images())
    subject.folder.samples.mkdir()
    kept = {epoch: rng.random((16, 6, 5, 1)).astype(np.float16) for epoch in range(21)}
    for epoch, samples in kept.items():
        save_tensors(subject.folder.samples / f"epoch-{epoch:03}.safetensors", {"samples": samples})
    development, last = draw("samples", None, None, subject).axes
    epochs = [int(text.get_text()) for text in development.get_yticklabels()]
    assert (epochs[0], epochs[-1], len(epochs)) == (0, 20, 8)
    for line, epoch in enumerate(epochs):
        for column in range(10):
            np.testing.assert_array_equal(tile(development.images[0].get_array(), line, column, (6, 5)),
                                          kept[epoch][column, ..., 0])
    for place in range(16):
        np.testing.assert_array_equal(tile(last.images[0].get_array(), *divmod(place, 8), (6, 5)),
                                      kept[20][place, ..., 0])
    assert last.get_title() == "16 samples after epoch 20"
    (subject.folder.samples / "epoch-020.safetensors").write_bytes(b"?")
    with pytest.raises(RunError, match=r"epoch-020.safetensors is damaged"):
        draw("samples", None, None, subject)


def test_samples_that_were_not_kept_are_made(draw):
    samples = np.random.default_rng(0).random((80, 6, 5, 1)).astype(np.float32)
    (axes,) = draw("samples", generating(samples), images()).axes
    np.testing.assert_array_equal(tile(axes.images[0].get_array(), 7, 7, (6, 5)), samples[63, ..., 0])


def test_samples_of_another_size(draw):
    with pytest.raises(DataError, match=r"generates rows of shape \(3,\), no images"):
        draw("samples", generating(np.zeros((64, 3))), images())


# --- attention -------------------------------------------------------------------------------------------------------


def test_attention_of_translations(draw):
    """Weights where there are tokens, with their names: not at padding, and nothing behind the end."""
    pairs = [(f"{'ab'[n % 2]}{'c' * (n % 3)}", "xyz"[: 1 + n % 3]) for n in range(60)]
    data = pairs_dataset("pairs", pairs, test_fraction=0.5)
    test, vocabulary = data.test, data.preprocessing.target_vocabulary
    net = StandIn()
    written = np.where(test.y < 0, 4, test.y)  # what it says behind the end counts for nothing
    net.decode = lambda x: written[[np.flatnonzero((test.x == row).all(axis=1))[0] for row in x]]
    weights = np.random.default_rng(0).random((len(test), test.y.shape[1], test.x.shape[1])).astype(np.float32)
    net.attention = lambda x: weights[: len(x)]
    figure = draw("attention", net, data)
    drawn = [axes for axes in figure.axes if axes.images and axes.get_title()]
    rows = test.take(np.unique(np.linspace(0, len(test) - 1, 4).round().astype(int)))
    assert len(drawn) == len(rows)
    for number, axes in enumerate(drawn):
        source = data.preprocessing.decode_source(rows.x[number : number + 1])[0]
        target = data.preprocessing.decode(rows.y[number : number + 1])[0]
        assert axes.get_title() == f"{source} → {target}"
        assert [text.get_text() for text in axes.get_xticklabels()] == list(source)
        assert [text.get_text() for text in axes.get_yticklabels()] == [*target, vocabulary.tokens[2]]
        np.testing.assert_array_equal(axes.images[0].get_array(), weights[number, : len(target) + 1, : len(source)])


@pytest.mark.parametrize("layers", [(), (2,)], ids=["heads", "layers"])
def test_attention_of_heads(draw, layers):
    """A map for each head of the last layer, as far as the sequence goes."""
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(8, 6, 2)).astype(np.float32), np.array([4, 6, 5, 6, 6, 6, 6, 6])
    parts = Split((np.where(np.arange(6)[:, None] < lengths[:, None, None], x, 0), lengths), np.arange(8) % 2)
    data = Dataset("d", "classification", parts, test=parts, classes=("no", "yes"))
    weights = rng.random((4, *layers, 3, 6, 6)).astype(np.float32)

    class Attending(nn.Module):
        def forward(self, values, lengths):
            return values

        def attention(self, values, lengths):
            assert (len(values), len(lengths)) == (4, 4)
            return weights

    figure = draw("attention", Attending(), data)
    drawn = [axes for axes in figure.axes if axes.images and axes.get_title()]
    assert [axes.get_title() for axes in drawn] == ["head 1", "head 2", "head 3"]
    last = weights[0, -1] if layers else weights[0]
    for axes, head in zip(drawn, last, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), head[:4, :4])


def test_multi_head_attention_needs_no_method(draw):
    """The maps of the last layer; each row of weights adds up to 1, and a decoder looks back only."""
    x = np.random.default_rng(0).normal(size=(5, 6, 4)).astype(np.float32)
    parts = Split(x, np.arange(5) % 2)
    data = Dataset("d", "classification", parts, test=parts, classes=("no", "yes"))
    net = nn.Sequential(nn.MultiHeadAttention(heads=1), nn.MultiHeadAttention(heads=2, causal=True))
    figure = draw("attention", net, data)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images and axes.get_title()]
    assert len(drawn) == 2
    for weights in drawn:
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
        assert not np.triu(weights, 1).any()


def test_attention_of_another_shape(draw):
    net = StandIn()
    net.attention = lambda x: np.zeros((len(x), 3))
    with pytest.raises(DataError, match=r"attention has the shape \(4, 3\)"):
        draw("attention", net, tables(classes=("no", "yes")))


# --- forecasts -------------------------------------------------------------------------------------------------------


class Twice(nn.Module):
    """Forecasts that the last change comes again, for one horizon or two."""

    def __init__(self, horizons):
        self.horizons = horizons

    def forward(self, *inputs):
        (x,) = inputs
        forecast = 2 * x[:, -1, :1] - x[:, -2, :1]
        return forecast if self.horizons == 1 else forecast * np.ones((1, self.horizons), np.float32)


@pytest.mark.parametrize("horizons", [(1,), (1, 4)])
def test_forecasts(draw, tmp_path, horizons):
    """Truth, forecast and persistence at their dates and in the units of the file, and their errors."""
    rng = np.random.default_rng(0)
    values = np.round(10 + np.cumsum(rng.normal(size=600)), 3)
    days = np.datetime64("2001-01-01") + np.arange(600)
    (tmp_path / "w.csv").write_text("day,warm\n" + "".join(f"{d},{v}\n" for d, v in zip(days, values, strict=True)))
    data = load_series("w", tmp_path / "w.csv", window=5, horizon=horizons, unit="°C")
    figure = draw("forecasts", Twice(len(horizons)), data)
    every, *ends = figure.axes
    place = {day: number for number, day in enumerate(days)}
    title = figure.get_suptitle()
    for axes, ahead in ((every, horizons[0]), *zip(ends, horizons, strict=True)):
        lines = {line.get_label(): line for line in axes.lines}
        at = np.array([place[day] for day in lines["truth"].get_xdata(orig=True)])
        assert len(at) == (100 if axes is not every else len(data.test))
        close = {"rtol": 1e-5, "atol": 1e-4}  # some tens, in float32, through two scalings
        np.testing.assert_allclose(lines["truth"].get_ydata(), values[at], **close)
        forecast = 2 * values[at - ahead] - values[at - ahead - 1]
        np.testing.assert_allclose(lines["forecast"].get_ydata(), forecast, **close)
        if axes is not every:
            np.testing.assert_allclose(lines["persistence"].get_ydata(), values[at - ahead], **close)
        assert axes.get_ylabel() == "warm (°C)"
        assert axes.get_xlabel() == f"time, {days[at[0]]} to {days[at[-1]]}"
        whole = np.arange(len(values) - len(data.test) - (max(horizons) - ahead), len(values) - (max(horizons) - ahead))
        error = np.sqrt(np.mean((2 * values[whole - ahead] - values[whole - ahead - 1] - values[whole]) ** 2))
        assert f"{ahead} step{'s' if ahead > 1 else ''} ahead: RMSE {error:.3f} °C" in title


def test_forecasts_have_gaps_where_rows_are_missing(draw, tmp_path):
    (tmp_path / "w.csv").write_text("warm\n" + "".join(f"{'NA' if n == 80 else n % 7}\n" for n in range(100)))
    data = load_series("w", tmp_path / "w.csv", window=4, test_fraction=0.3)
    every, last = draw("forecasts", Twice(1), data).axes
    truth = [line for line in every.lines if line.get_label() == "truth" or line.get_color() == "#000000"]
    assert [len(line.get_xdata()) for line in truth] == [10, 19]  # rows 71 to 80, and 82 to 100
    assert truth[0].get_xdata().tolist() == list(range(71, 81))
    assert last.get_xlabel() == "row of the file"
