"""What records a function takes what it returns: parameters and state that it would change are refused in time."""

import numpy as np
import pytest

import nbdl
from nbdl import nn, optim
from nbdl.errors import UntraceableError

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def follow(norm):
    """The ways in which a layer that follows the data may be called where it can't."""
    return {
        "jit": lambda x: nbdl.jit(norm)(x),
        "scan": lambda x: nbdl.scan(lambda state, row: (norm(state + row), row), nbdl.zeros((1, 3)), x)[0],
        "vmap": lambda x: nbdl.vmap(lambda row: norm(nbdl.expand_dims(row, 0)))(x),
    }


@pytest.mark.parametrize("inside", ["jit", "scan", "vmap"])
def test_state_is_not_changed(inside):
    norm = nn.BatchNorm().eval()
    norm(X)
    called = follow(norm)[inside]
    norm.train()
    with pytest.raises(UntraceableError, match=rf"running_mean can't change inside of {inside}, .* call eval\(\)"):
        called(nbdl.Tensor(X))
    np.testing.assert_array_equal(norm.running_mean.numpy(), np.zeros(3))
    norm.eval()
    assert np.isfinite(called(nbdl.Tensor(X)).numpy()).all()


def test_an_optimizer_takes_no_step_inside_of_jit():
    net, trainer = nn.Dense(1), optim.sgd(lr=0.1)
    before = net(X).numpy()

    @nbdl.jit
    def step(x):
        loss = nbdl.mean(net(x) ** 2)
        trainer.minimize(loss, net.parameters())
        return loss

    with pytest.raises(UntraceableError, match=r"what an optimizer trains can't change inside of jit, .* train_step"):
        step(X)
    np.testing.assert_array_equal(net(X).numpy(), before)


@pytest.mark.parametrize("inside", ["scan", "vmap"])
def test_fit_says_so_too(inside):
    class Net(nn.Module):
        def __init__(self):
            self.norm = nn.BatchNorm()

        def forward(self, x):
            rows = nbdl.expand_dims(x, 2)
            if inside == "vmap":
                return nbdl.vmap(self.norm)(rows)[:, :, 0]
            by_time = nbdl.permute_dims(rows, (1, 0, 2))
            return nbdl.scan(lambda state, row: (self.norm(state + row), row), by_time[0], by_time)[0]

    net = Net().compile("sgd", "mse")
    with pytest.raises(UntraceableError, match=rf"can't change inside of {inside}"):
        net.fit(X, X if inside == "vmap" else X[:, :1], verbose=False)
