"""Tensors and functions of nbdl.compat.torch: as in PyTorch, in place, with and without gradients."""

import numpy as np
import pytest

import nbdl
import nbdl.compat.torch as torch
from nbdl import lazy
from nbdl.errors import OptionError, RunError, ShapeError
from nbdl.optim.native import NativeUpdate
from tests.compat.twins import assert_same, compare, theirs

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
POSITIVE = np.abs(X) + 0.5

UNARY = {
    name: lambda t, x, name=name: getattr(t, name)(x)
    for name in "exp sin cos tanh sigmoid relu abs square erf expm1 sum mean std var max min".split()
}
WITH_OPTIONS = {
    "log": lambda t, x: t.log(x**2 + 1),
    "sqrt": lambda t, x: t.sqrt(x**2 + 1),
    "log1p": lambda t, x: t.log1p(x**2),
    "pow": lambda t, x: x.pow(2) + (x**2 + 1).pow(1.5),
    "clamp": lambda t, x: t.clamp(x, min=-0.5, max=0.5) + x.clamp(min=0),
    "sum": lambda t, x: (x.sum(1), x.sum(dim=0, keepdim=True), t.sum(x, (0, 1))),
    "mean": lambda t, x: (x.mean(1), x.mean(dim=(0, 1), keepdim=True)),
    "spread": lambda t, x: (x.var(1), x.std(dim=0, unbiased=False), x.std(1, keepdim=True)),
    "softmax": lambda t, x: (x.softmax(1), t.softmax(x, dim=0), x.log_softmax(dim=-1), t.logsumexp(x, dim=1)),
    "max": lambda t, x: (t.max(x, 1)[0], x.max(dim=0, keepdim=True).values, t.max(x, x * 2), x.min(1)[0]),
    "where": lambda t, x: t.where(x > 0, x, x * 2),
    "view": lambda t, x: (x.view(-1), x.view(4, 3), x.reshape((2, 6)), x.view_as(x), x.flatten()),
    "axes": lambda t, x: (x.t(), x.T, x.permute(1, 0), x.transpose(0, 1), t.permute(x, (1, 0))),
    "sizes of 1": lambda t, x: (x.unsqueeze(1), x.unsqueeze(-1).squeeze(-1), t.squeeze(x, 0), x.expand(2, 3, 4)),
    "expand": lambda t, x: x[:, :1].expand(-1, 5),
    "slices": lambda t, x: (x[1], x[:, 1:3], x[-1, ::2], x[..., None], x[[0, 2]]),
    "pieces": lambda t, x: (*x.chunk(2, dim=1), *t.split(x, 2), *x.split(3, dim=-1)),
    "joined": lambda t, x: (t.cat([x, x * 2], dim=1), t.stack([x, x]), t.cat((x, x))),
    "products": lambda t, x: (x @ x.t(), t.matmul(x, x[0]), x.mm(x.T), t.dot(x[0], x[1]), t.outer(x[0], x[1])),
    "batches": lambda t, x: t.bmm(x.unsqueeze(2), x.unsqueeze(1)),
    "arithmetic": lambda t, x: (
        2 - x,
        1 / (x**2 + 1),
        -x,
        x % 0.7,
        3 * x / 2,
        x.add(x, alpha=2),
        t.sub(x, 1),
        x.mul(2),
    ),
    "picked": lambda t, x: (x.gather(1, t.tensor([[0, 0], [3, 1]])), t.gather(x, 0, t.tensor([[2, 0, 1, 1]]))),
    "in order": lambda t, x: (x.sort().values, t.sort(x, 0, descending=True)[0], x.topk(2)[0], x.topk(1, 0, False)[0]),
    "repeated": lambda t, x: (x.repeat(2, 1), x.repeat(2, 1, 3), x[0].repeat((2,))),
    "norms": lambda t, x: (x.norm(), t.norm(x, dim=1), x.norm(1, dim=0, keepdim=True)),
    "angles": lambda t, x: (
        (x / 3).tan(), (x / 9).asin(), t.acos(x / 9), x.atan(), t.atan2(x, x + 0.3), (x / 3).sinh(), t.cosh(x / 3),
        x.asinh(), (x.abs() + 1.1).acosh(), (x / 9).atanh(),
    ),
    "logarithms": lambda t, x: (
        x.exp().log2(), t.log10(x.exp()), t.logaddexp(x, other=-x), t.hypot(x, x + 1), (x.abs() + 1).reciprocal(),
    ),
    "running": lambda t, x: (x.cumsum(1), t.cumsum(x, dim=0), x.cumprod(0), x.prod(), t.prod(x, 1, keepdim=True)),
    "moved": lambda t, x: (
        x.flip(0), x.flip([0, 1]), t.flip(x, (1,)), x.roll(1, 0), t.roll(x, shifts=(1, -1), dims=(0, 1)), x.roll(2),
        x.tile(2), t.tile(x, (2, 3)), x.repeat_interleave(2, dim=1), t.movedim(x, 0, 1), *x.unbind(1), *t.unbind(x),
    ),
    "triangles": lambda t, x: (x.tril(), t.triu(x, diagonal=1)),
    "sums of products": lambda t, x: (
        t.einsum("ij,kj->ik", x, x), t.einsum("ij->j", x), t.tensordot(x, x, dims=2), t.tensordot(x, x.t(), dims=1),
    ),
    "meshes": lambda t, x: (*t.meshgrid(x[0], x[:, 0], indexing="ij"), *t.meshgrid(x[0], x[:, 0], indexing="xy")),
    "masked": lambda t, x: x.masked_fill(x > 0, -1e9),
    "other dtypes": lambda t, x: (x.double() * 2, x.float(), x.to(t.float64), x.type(t.float32)),
    "same": lambda t, x: (x.clone(), x.contiguous(), x.cpu(), x.to("cpu"), x.detach() + x),
}


@pytest.mark.parametrize("name", [*UNARY, *[f"{name} with options" for name in WITH_OPTIONS]])
def test_as_in_pytorch(name):
    function = UNARY.get(name) or WITH_OPTIONS[name.removesuffix(" with options")]
    compare(lambda x: function(torch, x), lambda x: function(theirs, x), X)


INTEGERS = {
    "steps": lambda t, x: (x.sign(), t.floor(x), x // 0.3, 2 // x, 7 % x, +x, t.arange(-4, 5) // 3),
    "all and any": lambda t, x: (
        (x == x).all(), (x > 0).any(), t.all(x > 0, dim=1), t.any(x > 1, 0, keepdim=True), t.isnan(x / 0 * 0).all(),
    ),
    "whole numbers in order": lambda t, x: (
        *t.tensor([3, 0, 255], dtype=t.uint8).sort(descending=True), *t.tensor([True, False]).sort(),
    ),
    "places in order": lambda t, x: (x.sort(1).indices, x.topk(3)[1], t.topk(x, 2, dim=0, largest=False).indices),
    "made with options": lambda t, x: (
        t.linspace(0, 1, 5, device="cpu", requires_grad=True), t.full((2, 2), 3, dtype=t.float32, device="cpu"),
        t.arange(4, dtype=t.float32, device="cpu", requires_grad=True), t.eye(2, 3, device="cpu", dtype=t.int64),
        t.zeros(2, dtype=None), t.as_tensor([1, 2], dtype=t.float32, device="cpu"),
        0 * t.randint(0, 9, (3,), device="cpu", dtype=t.int32), 0 * t.randperm(4, device="cpu"),
        0 * t.rand(2, device="cpu", requires_grad=True), 0 * t.randn(2, dtype=t.float64, device="cpu"),
    ),
    "truths": lambda t, x: (True & (x > 0), False | (x > 0)),
    "argmax": lambda t, x: (x.argmax(), x.argmax(1), t.argmax(x, dim=0, keepdim=True), x.argmin(1)),
    "indices": lambda t, x: (t.max(x, 1)[1], t.min(x, dim=0).indices),
    "rounded": lambda t, x: (x.round(), t.ceil(x), x.trunc(), (x * 0 + 2.5).round()),
    "truth of numbers": lambda t, x: (
        t.logical_and(x > 0, x < 1), (x > 0).logical_or(x < -1), t.logical_xor(x > 0, other=x < 1),
        (x > 0).logical_not(), t.isinf(x / 0), x.isnan(), x.ne(x), x.lt(0.5), t.ge(x, other=0), t.count_nonzero(x > 0),
        x.count_nonzero(dim=1),
    ),
    "comparisons": lambda t, x: (x > 0, x == x, (x != x) | (x <= 0.5), ~(x < 0), t.eq(x, x)),
    "counts": lambda t, x: ((x > 0).sum(), (x > 0).sum(1), (x > 0).float().mean(), (x > 0).long()),
    "ranges": lambda t, x: (t.arange(3), t.arange(1, 9, 2), t.arange(0.0, 1.0, 0.25), t.linspace(0, 1, 5)),
    "made": lambda t, x: (t.zeros(2, 3), t.ones((2, 3)), t.full((2,), 7.0), t.eye(3), t.zeros_like(x), t.ones_like(x)),
    "of numbers": lambda t, x: (
        t.tensor([1, 2]),
        t.tensor([1.5, 2]),
        t.tensor(True),
        t.FloatTensor([1, 2]),
        t.Tensor([1]),
    ),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_values_and_dtypes(name):
    made, expected = INTEGERS[name](torch, torch.tensor(X)), INTEGERS[name](theirs, theirs.tensor(X))
    assert_same(made, expected)
    for own, other in zip(made, expected, strict=True):
        assert str(own.dtype) == str(other.dtype).removeprefix("torch.")


def test_what_is_known_of_a_tensor():
    x = torch.tensor(X, requires_grad=True)
    assert (x.size(), x.size(1), x.dim(), x.numel(), len(x)) == ((3, 4), 4, 2, 12, 3)
    assert x.is_leaf
    assert not (x * 2).is_leaf
    assert x.device == torch.device("cpu")
    assert torch.is_tensor(x)
    assert isinstance(x.shape, torch.Size)
    assert torch.Size([3, 4]) == x.shape
    assert torch.__version__ == f"{nbdl.__version__}+nbdl"
    assert torch.linspace(0, 1, 5, requires_grad=True).is_leaf
    with pytest.raises(AttributeError, match=r"torch.Tensor has no 'sqeeze'; did you mean 'squeeze'"):
        x.sqeeze(1)
    with pytest.raises(OptionError, match="not on 'cuda'"):
        torch.randperm(3, device="cuda")
    assert isinstance(x * 2, torch.Tensor)
    assert str(x.sum() * 0) == "tensor(0.)"
    assert "requires_grad" in str(x)
    assert f"{x.sum():.3f} {x[0, 0]}" == f"{X.sum():.3f} {X[0, 0].item()}"
    assert f"{x}" == str(x)
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{x:.3f}"
    assert torch.equal(x, x + 0)
    assert torch.allclose(x, x + 1e-7, atol=1e-6)


def test_a_gradient_is_a_leaf_without_a_gradient():
    x = torch.tensor(X, requires_grad=True)
    (x * x).sum().backward()
    assert (x.grad.requires_grad, x.grad.is_leaf) == (False, True)
    x.grad.mul_(0.5)
    np.testing.assert_allclose(x.grad.numpy(), X, rtol=1e-6)


def test_random_numbers_come_back_with_the_seed():
    def draw():
        torch.manual_seed(3)
        made = torch.randn(4, 5), torch.rand(2), torch.randint(0, 9, (3,)), torch.randperm(6), torch.rand_like(X)
        return [each.numpy().copy() for each in made]

    for first, second in zip(draw(), draw(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert sorted(draw()[3]) == list(range(6))
    assert set(torch.randint(3, size=(100,)).tolist()) == {0, 1, 2}
    assert torch.randn(2, requires_grad=True).is_leaf


def test_tensors_share_or_copy_their_memory():
    array = X.copy()
    shared, copied = torch.from_numpy(array), torch.tensor(array)
    array[0, 0] = 9
    assert shared[0, 0].item() == 9
    assert copied[0, 0].item() == X[0, 0]


# --- gradients --------------------------------------------------------------------------------------------------------


def test_gradients_add_up_and_are_cleared_in_place():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for times in (1, 2):
        (x**2).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), times * 2 * x.detach().numpy())
    x.grad.zero_()
    (3 * x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [3, 3])
    x.grad = None
    (x * x).backward(torch.tensor([1.0, 10.0]))
    np.testing.assert_allclose(x.grad.numpy(), [2, 40])
    assert str(x.grad) == "tensor([ 2., 40.])"


def test_without_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():
        y = x * 2
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert not y.requires_grad
    assert (x * 2).requires_grad
    assert not x.detach().requires_grad

    @torch.no_grad()
    def doubled(x):
        return x * 2

    assert not doubled(x).requires_grad
    net = torch.nn.Linear(2, 1)
    with torch.inference_mode():
        assert not net(x).requires_grad
    assert net(x).requires_grad


def test_parameters_moved_by_hand():
    """The loop of a tutorial: w -= rate * w.grad, in three ways."""
    ways = {"in place": [], "data": [], "set": []}
    for way, seen in ways.items():
        w = torch.tensor([1.0, -2.0], requires_grad=True)
        for _ in range(12):
            (w * w).sum().backward()
            if way == "in place":
                with torch.no_grad():
                    w -= 0.1 * w.grad
                w.grad.zero_()
            elif way == "data":
                w.data -= 0.1 * w.grad.data
                w.grad.data.zero_()
            else:
                w.data = w.data - 0.1 * w.grad
                w.grad = None
            seen.append(w.detach().numpy().copy())
            assert w.requires_grad
            assert w.is_leaf
    for seen in ways.values():
        np.testing.assert_allclose(seen, [np.array([1.0, -2.0]) * 0.8**step for step in range(1, 13)], rtol=1e-5)


def test_changes_in_place():
    x = torch.tensor(X)
    before = x + 0
    for change, expected in (
        (lambda: x.add_(1), X + 1), (lambda: x.mul_(2), 2 * X + 2), (lambda: x.sub_(x), 0 * X), (lambda: x.fill_(3), 3),
        (lambda: x.div_(2), 1.5), (lambda: x.clamp_(0, 1), 1), (lambda: x.copy_(torch.tensor(Y)), Y), (x.zero_, 0),
    ):  # fmt: skip
        assert change() is x
        np.testing.assert_allclose(x.numpy(), np.broadcast_to(expected, X.shape), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(before.numpy(), X)
    assert 0 <= x.uniform_(0, 2).numpy().min() <= x.numpy().max() < 2
    assert np.ptp(x.normal_(5, 0.1).numpy()) < 2
    layer = torch.nn.Linear(3, 2)
    layer.bias.data.fill_(7)
    np.testing.assert_array_equal(layer.bias.detach().numpy(), [7, 7])
    assert layer.bias.requires_grad


def test_in_place_on_results_carries_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y += x
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [4, 4])


def test_mistakes():
    x = torch.tensor(X, requires_grad=True)
    with pytest.raises(OptionError, match=r"while gradients are recorded; do it under torch.no_grad\(\)"):
        x += 1
    with pytest.raises(OptionError, match="a view of another tensor can't be changed in place"):
        torch.tensor(X)[0].zero_()
    with pytest.raises(OptionError, match=r"requires_grad of a result can't be changed; use .detach\(\)"):
        (x * 2).requires_grad = False
    with pytest.raises(OptionError, match=r"computes on the CPU, not on 'cuda:0'"):
        x.to(torch.device("cuda:0"))
    with pytest.raises(OptionError, match="computes on the CPU"):
        x.cuda()
    with pytest.raises(AttributeError, match=r"nbdl.compat.torch has no 'einsm'"):
        torch.einsm  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no 'maen'; did you mean 'mean'"):
        torch.maen  # noqa: B018
    with pytest.raises(ShapeError, match="an unbiased variance needs"):
        torch.tensor([1.0]).var()
    assert not torch.cuda.is_available()


def test_native_tensors_stay_what_they_are():
    x = nbdl.Tensor(X)
    made = torch.sin(x)
    assert isinstance(made, torch.Tensor)
    assert type(x) is nbdl.Tensor
    assert x.size == 12


# --- files ------------------------------------------------------------------------------------------------------------


def test_states_in_files(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.tensor(X[:, :3])).sum().backward()
    optimizer.step()
    state = {"epoch": 3, "name": "net", "net": net.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, tmp_path / "state.pt")
    loaded = torch.load(tmp_path / "state.pt", map_location="cpu")
    assert (loaded["epoch"], loaded["name"]) == (3, "net")
    other = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    other.load_state_dict(loaded["net"])
    second = torch.optim.Adam(other.parameters())
    second.load_state_dict(loaded["optimizer"])
    for model, optimizer_ in ((net, optimizer), (other, second)):
        optimizer_.zero_grad()
        model(torch.tensor(X[:, :3])).sum().backward()
        optimizer_.step()
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name].numpy(), array.numpy())
    with pytest.raises(OptionError, match=r"not a Sequential: save model.state_dict\(\)"):
        torch.save({"net": net}, tmp_path / "whole.pt")
    with pytest.raises(RunError, match=r"there is no file .*missing\.pt"):
        torch.load(tmp_path / "missing.pt")


def test_rows_of_data_are_picked_at_once_and_a_loop_over_slices_stays_one_graph():
    x = torch.tensor(X)
    assert x[1:].node.value is not None
    np.testing.assert_array_equal(x[x[:, 0] > 0].numpy(), X[X[:, 0] > 0])
    np.testing.assert_array_equal(x[torch.arange(3), torch.tensor([3, 0, 1])].numpy(), X[np.arange(3), [3, 0, 1]])
    w = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for step in range(lazy.ROUNDS + 4):
        row = x[step % 3 : step % 3 + 1]
        optimizer.zero_grad()
        ((row * w).sum() - 1).pow(2).backward()
        optimizer.step()
    native = optimizer.param_groups[0].native.state.programs.values()
    assert [isinstance(each, NativeUpdate) for each in native] == [True]


@pytest.mark.parametrize("place", [2, -1])
def test_gather_takes_nothing_of_another_row(place):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with pytest.raises(ShapeError, match="-1"):
        x.gather(1, torch.tensor([[0], [place]])).tolist()
