"""Training steps of one's own: two optimizers, a teacher, extra reports; compiled like any other step."""

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError
from nbdl.resolve import resolve
from nbdl.train.feed import Batch
from tests.train.networks import line

SIZE = 8


def optimizer(name="adam", **options):
    return resolve("optimizers", {"name": name, **options})


class Gan(nn.Module):
    """A generator and a judge, each with its optimizer."""

    def __init__(self, make=lambda: optimizer("adam", lr=0.01)):
        self.generator = nn.Sequential(nn.Dense(8, activation="relu"), nn.Dense(2))
        self.judge = nn.Sequential(nn.Dense(8, activation="leaky_relu"), nn.Dense(1))
        self.generator_optimizer, self.judge_optimizer = make(), make()

    def train_step(self, batch):
        real, noise = batch.inputs
        loss = resolve("losses", "binary_crossentropy")
        fake = self.generator(noise)
        right = loss(self.judge(real), nbdl.ones_like(real[:, :1]))
        wrong = loss(self.judge(fake.detach()), nbdl.zeros_like(real[:, :1]))
        self.judge_optimizer.minimize(right + wrong, self.judge.parameters())
        fooled = loss(self.judge(fake), nbdl.ones_like(real[:, :1]))
        self.generator_optimizer.minimize(fooled, self.generator.parameters())
        return {"judge": right + wrong, "generator": fooled}


def rows(count=64):
    rng = np.random.default_rng(0)
    return (
        rng.normal(loc=[2.0, -1.0], scale=0.2, size=(count, 2)).astype(np.float32),
        rng.normal(size=(count, 4)).astype(np.float32),
    )


def flat(module):
    return np.concatenate([array.ravel() for array in module.state_dict().values()])


def test_compiled_steps_do_what_the_same_steps_do_one_by_one():
    data = rows()
    nbdl.set_seed(0)
    compiled, eager = Gan(), Gan()
    for net in (compiled, eager):  # the same starting values
        nbdl.set_seed(1)
        net.judge(net.generator(data[1]))
    history = compiled.fit(data, epochs=3, batch_size=32, shuffle=False, seed=0, verbose=False)
    totals = []
    for _ in range(3):
        logs = [
            eager.train_step(Batch(tuple(nbdl.Tensor(each[part]) for each in data)))
            for part in (slice(0, 32), slice(32, 64))
        ]
        totals.append(np.mean([float(each["judge"]) for each in logs]))
        float(logs[-1]["generator"])
    # The same float32 operations, fused in another order; Adam makes rounding errors of small gradients larger.
    np.testing.assert_allclose(flat(compiled), flat(eager), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(history["judge"], totals, rtol=1e-4)


def test_each_optimizer_moves_its_own_parameters():
    data = rows()

    class Half(Gan):
        def __init__(self):
            super().__init__()
            self.generator_optimizer = optimizer("sgd", lr=0.0)

    net = Half()
    net.judge(net.generator(data[1]))
    generator, judge = flat(net.generator), flat(net.judge)
    net.fit(data, epochs=2, seed=0, verbose=False)
    np.testing.assert_array_equal(flat(net.generator), generator)
    assert not np.array_equal(flat(net.judge), judge)


def test_a_gan_learns_where_the_data_lie():
    net = Gan(lambda: optimizer("adam", lr=0.005, beta1=0.5))
    real, noise = rows(512)
    net.fit((real, noise), epochs=150, batch_size=64, seed=0, verbose=False)
    made = net.generator.predict(noise)
    np.testing.assert_allclose(made.mean(axis=0), [2.0, -1.0], atol=0.6)  # a GAN circles around its goal


class Student(nn.Module):
    """Learns what a teacher says, and not from labels alone."""

    def __init__(self, teacher):
        self.teacher = teacher
        self.network = nn.Dense(3)

    def forward(self, x):
        return self.network(x)

    def train_step(self, batch):
        logits = self(batch.x)
        wanted = nbdl.softmax(self.teacher(batch.x)).detach()
        loss = -nbdl.mean(nbdl.sum(wanted * nbdl.log_softmax(logits), axis=-1))
        self.optimizer.minimize(loss, self.network.parameters())
        agrees = nbdl.argmax(logits, axis=-1) == nbdl.argmax(wanted, axis=-1)
        return {"loss": loss, "agreement": nbdl.mean(agrees.astype("float32"))}


def test_a_student_comes_to_agree_with_its_teacher(iris):
    x, y = iris
    teacher = nn.Sequential(nn.Dense(3)).compile("adam", "sparse_categorical_crossentropy")
    teacher.fit(x, y, epochs=20, seed=0, verbose=False)
    before = flat(teacher)
    student = Student(teacher).compile({"name": "adam", "lr": 0.05})
    history = student.fit(x, y, epochs=60, seed=1, verbose=False)
    assert history["agreement"][-1] >= 0.97
    np.testing.assert_array_equal(flat(teacher), before)
    agreed = student.predict(x).argmax(axis=1) == teacher.predict(x).argmax(axis=1)
    assert agreed.mean() >= 0.97


def test_a_step_may_take_several_steps_of_one_optimizer():
    class Twice(nn.Module):
        def __init__(self):
            self.line = nn.Dense(1, kernel_initializer="zeros")

        def forward(self, x):
            return self.line(x)

        def train_step(self, batch):
            for _ in range(2):
                loss = nbdl.mean((self(batch.x)[:, 0] - batch.y) ** 2)
                self.optimizer.minimize(loss, self.parameters())
            return {"loss": loss}

    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 2)).astype(np.float32)
    y = x.sum(axis=1)
    net = Twice().compile(optimizer("sgd", lr=0.1))
    net.fit(x, y, epochs=1, batch_size=16, shuffle=False, verbose=False)
    slope, bias = np.zeros(2), 0.0
    for _ in range(2):
        error = x @ slope + bias - y
        slope, bias = slope - 0.2 * x.T @ error / 16, bias - 0.2 * error.mean()
    np.testing.assert_allclose(net.line.weight.numpy()[:, 0], slope, rtol=1e-5)
    assert int(net.optimizer.state.step.numpy()) == 2


class Looped(nn.Module):
    """A recurrent layer: its loop takes the weights from outside."""

    def __init__(self):
        self.layer = nn.SimpleRNN(2, kernel_initializer="ones", recurrent_initializer="ones")

    def forward(self, x):
        return nbdl.mean(self.layer(nbdl.expand_dims(x, 2)), axis=1)


class Mapped(nn.Module):
    """A function of single rows that takes a weight from outside."""

    def __init__(self):
        self.weight = self.parameter("weight", (2,), "ones")

    def forward(self, x):
        return nbdl.vmap(lambda row: nbdl.tanh(nbdl.sum(row * self.weight)))(x)


@pytest.mark.parametrize("kind", [Looped, Mapped])
def test_a_loop_knows_weights_as_they_are_after_an_update(kind):
    class Twice(kind):
        def train_step(self, batch):
            for _ in range(2):
                loss = nbdl.mean((self(batch.x) - batch.y) ** 2)
                self.optimizer.minimize(loss, self.parameters())
            return {"loss": loss}

    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 2)).astype(np.float32)
    nets = [Twice().compile(optimizer("sgd", lr=0.1), debug=debug) for debug in (False, True)]
    for net in nets:
        net.fit(x, x.sum(axis=1), epochs=2, batch_size=16, shuffle=False, verbose=False)
    np.testing.assert_allclose(flat(nets[0]), flat(nets[1]), rtol=1e-5)


def test_the_second_fit_goes_on_with_the_optimizers_of_the_first():
    data = rows()
    net = Gan()
    net.fit(data, epochs=1, batch_size=32, seed=0, verbose=False)
    net.fit(data, epochs=1, batch_size=32, seed=0, verbose=False)
    assert int(net.judge_optimizer.state.step.numpy()) == 4


def test_an_optimizer_that_is_never_used():
    class Idle(Gan):
        def train_step(self, batch):
            loss = nbdl.mean(self.generator(batch.inputs[1]))
            self.generator_optimizer.minimize(loss, self.generator.parameters())
            return {"loss": loss}

    with pytest.raises(OptionError, match=r"never calls self\.judge_optimizer\.minimize"):
        Idle().fit(rows(), verbose=False)


def test_a_report_with_a_value_for_each_row():
    class Wide(Student):
        def train_step(self, batch):
            errors = self(batch.x)
            self.optimizer.minimize(nbdl.mean(errors), self.parameters())
            return {"loss": errors}

    with pytest.raises(OptionError, match=r"'loss' has the shape .*take its mean"):
        Wide(None).compile("sgd").fit(*rows(), verbose=False)


def test_a_step_that_reports_nothing():
    class Silent(Student):
        def train_step(self, batch):
            self.optimizer.minimize(nbdl.mean(self(batch.x)), self.parameters())
            return {}

    with pytest.raises(OptionError, match=r"at least one number: \{'loss': loss\}"):
        Silent(None).compile("sgd").fit(*rows(), verbose=False)


def test_a_loss_that_depends_on_no_parameter_is_refused():
    x, y = line()
    for cut in (lambda p: p.detach(), lambda p: nbdl.floor(p) * 0 + nbdl.asarray(1.0), lambda p: nbdl.ones((1,))):
        net = nn.Sequential(nn.Dense(1)).compile("sgd", lambda p, t, cut=cut: nbdl.mean(nbdl.square(cut(p))))
        with pytest.raises(OptionError, match="depends on no parameter"):
            net.fit(x, y, verbose=False)
