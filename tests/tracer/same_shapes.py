"""Code that people write in `forward`, and real networks: the shapes of a real first forward pass beside the kit's.

    python tests/tracer/same_shapes.py                  a table; the exit code is 1 where a row is wrong
    python tests/tracer/same_shapes.py bert resnet      the rows whose names contain one of these words

A row is right where both give the same shapes, or both refuse, or the code reads numbers and the kit says so.
"""

from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
import sys
import warnings

sys.path.insert(0, str(Path(__file__).parents[1]))
import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
from vocabulary import GLUON_2, HybridBlock

INPUT = (4, 6)
PIECES, HYBRID, NUMPY, NUMBERS = {}, {}, {}, set()
# MXNet raises a KeyError, since the graph leaves a layer out (apache/mxnet#15470); once materialized, the network runs.
LEFT_OUT = "hybrid_dead"


class Plain(mx.gluon.Block):
    """A plain Block with two layers and a user's code."""

    def __init__(self, code):
        super().__init__()
        self.code, self.a, self.b = code, nn.Dense(6, flatten=False), nn.Dense(3)
        if code.__name__ == "cell_unrolled":
            self.cell = rnn.LSTMCell(5)
        if code.__name__.startswith("child_"):
            self.child = Sum()
            self.child.hybridize()
        if code.__name__ == "np_rnn":
            self.layer = rnn.LSTM(5)

    def forward(self, x):
        return self.code(self, x)


class Sum(HybridBlock):
    """A hybridized child, of one argument or two."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(6)

    def hybrid_forward(self, F, x, y=None):
        return self.dense(x) if y is None else self.dense(x) + y


class Hybrid(HybridBlock):
    """The same as a HybridBlock."""

    def __init__(self, code):
        super().__init__()
        self.code, self.a, self.b = code, nn.Dense(6, flatten=False), nn.Dense(3)

    def hybrid_forward(self, F, x):
        return self.code(self, F, x)


def piece(kind, numbers=False):
    """Keep a piece of code under its own name."""

    def keep(code):
        kind[code.__name__] = code
        if numbers:
            NUMBERS.add(code.__name__)
        return code

    return keep


def lines(kind, numbers=False, **pieces):
    """Keep pieces of one expression."""
    for name, code in pieces.items():
        code.__name__ = name
        piece(kind, numbers)(code)


class Square(mx.autograd.Function):
    """An autograd.Function of a user's."""

    def forward(self, x):
        return x * x

    def backward(self, dy):
        return dy


class Doubled(mx.operator.CustomOp):
    """A custom operator."""

    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], mx.nd.concat(in_data[0], in_data[0], dim=1))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0])


@mx.operator.register("same_shapes_doubled")
class DoubledProp(mx.operator.CustomOpProp):
    """Its shapes."""

    def infer_shape(self, in_shape):
        return in_shape, [(in_shape[0][0], 2 * in_shape[0][1])], []

    def create_operator(self, ctx, shapes, dtypes):
        return Doubled()


lines(
    PIECES,
    index_of_an_int=lambda net, x: net.b(net.a(x)[0]),
    index_of_a_slice=lambda net, x: net.b(net.a(x)[:, 1:4]),
    index_of_steps=lambda net, x: net.b(net.a(x)[::2, ::-1]),
    index_of_two_ints=lambda net, x: net.b(net.a(x)[0, 1].reshape((1, 1))),
    index_of_an_ellipsis=lambda net, x: net.b(net.a(x)[..., :2]),
    index_of_none=lambda net, x: net.b(net.a(x)[:, None, :]),
    index_of_a_list=lambda net, x: net.b(net.a(x)[[0, 2]]),
    index_of_a_numpy_array=lambda net, x: net.b(net.a(x)[np.array([1, 1, 3])]),
    index_of_an_array=lambda net, x: net.b(net.a(x)[x[:, 0].astype("int32")]),
    index_of_a_negative_int=lambda net, x: net.b(net.a(x)[-1].expand_dims(0)),
    index_beyond_the_end=lambda net, x: net.b(net.a(x)[9]),
    length=lambda net, x: net.b(mx.nd.concat(*[net.a(x)] * len(x), dim=1)),
    iteration=lambda net, x: net.b(mx.nd.stack(*[net.a(row.expand_dims(0)) for row in x], axis=1)),
    unpacking=lambda net, x: net.b(sum(mx.nd.split(net.a(x), 3, axis=1))),
    shape_arithmetic=lambda net, x: net.b(net.a(x).reshape((x.shape[0] // 2, -1))),
    size_and_ndim=lambda net, x: net.b(net.a(x).reshape((x.ndim, x.size // x.ndim))),
    reshape_codes=lambda net, x: net.b(net.a(x).reshape((0, -4, 2, -1, -2)).reshape((-3, 0))),
    reshape_of_numbers=lambda net, x: net.b(net.a(x).reshape(2, 12)),
    reshape_that_does_not_fit=lambda net, x: net.b(net.a(x).reshape((5, 5))),
    reshape_like=lambda net, x: net.b(net.a(x).reshape_like(mx.nd.zeros((8, 3)))),
    flattened=lambda net, x: net.b(net.a(x).expand_dims(2).flatten()),
    squeezed=lambda net, x: net.b(net.a(x).expand_dims(0).squeeze()),
    transposed=lambda net, x: net.b(net.a(x).T),
    swapped=lambda net, x: net.b(net.a(x).swapaxes(0, 1)),
    broadcast_row=lambda net, x: net.b(net.a(x) / net.a(x).sum(axis=1, keepdims=True)),
    broadcast_column=lambda net, x: net.b(net.a(x) - mx.nd.ones((4, 1))),
    broadcast_power=lambda net, x: net.b(net.a(x) ** mx.nd.ones((1, 6))),
    broadcast_comparison=lambda net, x: net.b((net.a(x) > mx.nd.ones((4, 1))) * x),
    broadcast_that_does_not_fit=lambda net, x: net.b(net.a(x) + mx.nd.ones((4, 5))),
    broadcast_to=lambda net, x: net.b(net.a(x)[:, :1].broadcast_to((4, 9))),
    scalar_arithmetic=lambda net, x: net.b(1 - 2 * net.a(x) / 3 + (-x) % 2),
    a_function_of_nd=lambda net, x: net.b(mx.nd.relu(mx.nd.FullyConnected(
        x, mx.nd.ones((5, 6)), mx.nd.ones((5,)), num_hidden=5))),
    dot=lambda net, x: net.b(mx.nd.dot(net.a(x), mx.nd.ones((6, 2)))),
    batch_dot=lambda net, x: net.b(mx.nd.batch_dot(net.a(x).expand_dims(1), x.expand_dims(2))),
    concat=lambda net, x: net.b(mx.nd.concat(net.a(x), x, dim=1)),
    concatenate=lambda net, x: net.b(mx.nd.concatenate([net.a(x), x], axis=1)),
    pick=lambda net, x: net.b(net.a(x).pick(mx.nd.array([0, 1, 2, 3])).expand_dims(1)),
    topk=lambda net, x: net.b(net.a(x).topk(k=2, ret_typ="value")),
    topk_both=lambda net, x: net.b(net.a(x).topk(k=2, ret_typ="both")[1]),
    one_hot=lambda net, x: net.b(net.a(x).argmax(axis=1).one_hot(11)),
    embedding=lambda net, x: net.b(mx.nd.Embedding(x, mx.nd.ones((9, 7)), input_dim=9, output_dim=7)),
    cast=lambda net, x: net.b(net.a(x).astype("float64").astype("float32")),
    copies=lambda net, x: net.b(net.a(x).copy().detach().as_in_context(mx.cpu()).copyto(mx.cpu())),
    zeros_like=lambda net, x: net.b(mx.nd.zeros_like(net.a(x)) + net.a(x).ones_like()),
    noise=lambda net, x: net.b(net.a(x) + mx.nd.random.normal(shape=x.shape)),
    noise_alone=lambda net, x: net.b(mx.nd.random.uniform(shape=(4, 8))),
    dropout=lambda net, x: net.b(mx.nd.Dropout(net.a(x), p=0.5, mode="always")),
    in_place=lambda net, x: net.b(_in_place(net.a(x))),
    written_with_out=lambda net, x: net.b(_with_out(net.a(x))),
    autograd_function=lambda net, x: net.b(Square()(net.a(x))),
    custom_operator=lambda net, x: net.b(mx.nd.Custom(net.a(x), op_type="same_shapes_doubled")),
    recorded=lambda net, x: net.b(_recorded(net, x)),
    foreach=lambda net, x: net.b(mx.nd.contrib.foreach(lambda row, state: (row + state, state), net.a(x), x[0])[0]),
    cond=lambda net, x: net.b(mx.nd.contrib.cond(x.sum() > 0, lambda: net.a(x), lambda: x * 2)),
    while_loop=lambda net, x: net.b(mx.nd.contrib.while_loop(
        lambda i, h: i < 3, lambda i, h: (h, (i + 1, h)), (mx.nd.zeros((1,)), net.a(x)), 3)[0][0]),
    cell_unrolled=lambda net, x: net.b(_cell(net, x)),
    child_again=lambda net, x: net.b(mx.nd.concat(net.child(net.a(x)), net.child(x[:2]), dim=0)),
    child_with_none=lambda net, x: net.b(net.child(net.child(net.a(x)), None)),
    child_of_more_arguments=lambda net, x: net.b(net.child(net.child(x), net.a(x))),
    child_of_fewer_arguments=lambda net, x: net.b(net.child(net.child(x, net.a(x)))),
    child_that_refuses_its_second_input=lambda net, x: net.b(net.child(net.child(net.a(x))[:, :5])),
    child_that_broadcasts_the_second_time=lambda net, x: net.b(net.child(net.child(x, x), x[:1])),
    lambda_block=lambda net, x: net.b(nn.Lambda(lambda h: mx.nd.concat(h, h, dim=1))(net.a(x))),
    lambda_by_name=lambda net, x: net.b(nn.Lambda("tanh")(net.a(x))),
    branch_on_shape=lambda net, x: net.b(net.a(x) if x.shape[0] > 3 else x),
    none_and_lists=lambda net, x: net.b(_nested([net.a(x), None, {"y": x}])),
    printed=lambda net, x: net.b(_printed(net.a(x))),
    parameter_read=lambda net, x: net.b(mx.nd.dot(net.a(x), net.a.weight.data())),
    moved_axis=lambda net, x: net.b(mx.nd.moveaxis(net.a(x), 0, 1)),
    where=lambda net, x: net.b(mx.nd.where(net.a(x) > 0, x, -x)),
    repeat_and_tile=lambda net, x: net.b(net.a(x).repeat(2, axis=1).tile((1, 3))),
    linalg=lambda net, x: net.b(mx.nd.linalg.gemm2(net.a(x), x, transpose_b=True)),
    pooled=lambda net, x: net.b(mx.nd.Pooling(net.a(x).reshape((4, 1, 2, 3)), kernel=(2, 2), pool_type="max")),
    norms=lambda net, x: net.b(mx.nd.L2Normalization(net.a(x)) * net.a(x).norm(axis=1, keepdims=True)),
)  # fmt: skip
lines(
    PIECES,
    numbers=True,
    number_of_an_array=lambda net, x: net.b(net.a(x) * net.a(x).sum().asscalar()),
    branch_on_a_number=lambda net, x: net.b(net.a(x) if x.sum() > 0 else x),
    numpy_in_between=lambda net, x: net.b(mx.nd.array(np.tanh(net.a(x).asnumpy()))),
)


@piece(PIECES)
def written_row_by_row(net, x):
    """Rows of an array with memory."""
    rows = mx.nd.zeros((4, 8))
    for i in range(4):
        rows[i, :6] = net.a(x[i : i + 1])[0]
    return net.b(rows)


@piece(PIECES)
def written_whole(net, x):
    """All of an array with memory, and of one without."""
    rows, answer = mx.nd.zeros((4, 6)), net.a(x)
    rows[:] = answer
    answer[:, 0] = 0
    answer[1:3] = rows[1:3]
    return net.b(rows + answer)


@piece(PIECES)
def written_that_does_not_fit(net, x):
    """Seven columns into six."""
    answer = net.a(x)
    answer[:] = mx.nd.zeros((4, 7))
    return net.b(answer)


def _in_place(h):
    h += 1
    h *= mx.nd.ones((4, 1))
    return h


def _with_out(h):
    out = mx.nd.zeros((4, 6))
    mx.nd.broadcast_add(h, mx.nd.ones((1, 6)), out=out)
    return out


def _recorded(net, x):
    with mx.autograd.pause():
        return net.a(x)


def _cell(net, x):
    return net.cell.unroll(2, [net.a(x), x], merge_outputs=False)[0][-1]


def _nested(values):
    return values[0] + values[2]["y"]


def _printed(h):
    str(h)
    return h


lines(
    HYBRID,
    hybrid_broadcast=lambda net, F, x: net.b(F.broadcast_div(net.a(x), F.sum(net.a(x), axis=1, keepdims=True))),
    hybrid_broadcast_by_operator=lambda net, F, x: net.b(net.a(x) / F.sum(net.a(x), axis=1, keepdims=True)),
    hybrid_first_output=lambda net, F, x: net.b(net.a(x)[0]),
    hybrid_outputs_of_split=lambda net, F, x: net.b(F.split(net.a(x), 3, axis=1)[1]),
    hybrid_slice=lambda net, F, x: net.b(F.slice_axis(net.a(x), axis=1, begin=1, end=3)),
    hybrid_reshape=lambda net, F, x: net.b(F.reshape(net.a(x), (0, 2, -1))),
    hybrid_reshape_method=lambda net, F, x: net.b(net.a(x).reshape((0, -4, 3, -1))),
    hybrid_shape=lambda net, F, x: net.b(net.a(x).reshape((x.shape[0], 3, 2))),
    hybrid_length=lambda net, F, x: net.b(F.concat(*[net.a(x)] * len(x), dim=1)),
    hybrid_sum=lambda net, F, x: net.b(net.a(x) + x),
    hybrid_sum_that_does_not_fit=lambda net, F, x: net.b(net.a(x) + F.ones((4, 5))),
    hybrid_constant=lambda net, F, x: net.b(F.broadcast_mul(net.a(x), F.ones((1, 6)))),
    hybrid_cond=lambda net, F, x: net.b(F.contrib.cond(F.sum(x) > 0, lambda: net.a(x), lambda: x * 2)),
    hybrid_foreach=lambda net, F, x: net.b(F.contrib.foreach(lambda row, s: (row + s, s), net.a(x), F.zeros((6,)))[0]),
    hybrid_lambda=lambda net, F, x: net.b(nn.HybridLambda(lambda F, h: F.concat(h, h, dim=1))(net.a(x))),
    hybrid_reused=lambda net, F, x: net.b(net.a(net.a(x))),
    hybrid_dead=lambda net, F, x: (net.a(x), net.b(x))[1],
    hybrid_several_outputs=lambda net, F, x: [net.a(x), net.b(net.a(x))],
    hybrid_custom=lambda net, F, x: net.b(F.Custom(net.a(x), op_type="same_shapes_doubled")),
    hybrid_stack=lambda net, F, x: net.b(F.stack(net.a(x), x, axis=1)),
    hybrid_dropout=lambda net, F, x: net.b(F.Dropout(net.a(x), p=0.5)),
    hybrid_conflict=lambda net, F, x: net.b(net.a(net.b(x))),
)

lines(
    NUMPY,
    np_functions=lambda net, x: net.b(mx.np.concatenate([net.a(x), mx.np.tanh(x)], axis=1)),
    np_protocol=lambda net, x: net.b(np.mean(net.a(x), axis=1, keepdims=True)),
    np_operators=lambda net, x: net.b(net.a(x) / net.a(x).sum(axis=1, keepdims=True)),
    np_matmul=lambda net, x: net.b(net.a(x) @ mx.np.ones((6, 2))),
    np_tensordot=lambda net, x: net.b(mx.np.tensordot(net.a(x), mx.np.ones((6, 2)), axes=1)),
    np_einsum=lambda net, x: net.b(mx.np.einsum("ij,kj->ik", net.a(x), x)),
    np_reshape=lambda net, x: net.b(net.a(x).reshape(2, -1)),
    np_reshape_function=lambda net, x: net.b(mx.np.reshape(net.a(x), (-1, 3))),
    np_index=lambda net, x: net.b(net.a(x)[:, None, 1:3]),
    np_index_of_ints=lambda net, x: net.b(net.a(x)[0, 0].reshape(1, 1)),
    np_index_of_arrays=lambda net, x: net.b(net.a(x)[mx.np.array([0, 1, 1], dtype="int32")]),
    np_written=lambda net, x: net.b(_np_written(net.a(x))),
    np_softmax=lambda net, x: net.b(mx.npx.softmax(net.a(x)) * mx.npx.relu(x)),
    np_split=lambda net, x: net.b(mx.np.split(net.a(x), 3, axis=1)[2]),
    np_stack=lambda net, x: net.b(mx.np.stack([net.a(x), x], axis=1)),
    np_transposed=lambda net, x: net.b(net.a(x).T),
    np_where=lambda net, x: net.b(mx.np.where(net.a(x) > 0, x, 0)),
    np_noise=lambda net, x: net.b(net.a(x) + mx.np.random.normal(size=(4, 6))),
    np_scalar=lambda net, x: net.b(net.a(x) * x.sum()),
    np_in_place=lambda net, x: net.b(_in_place_np(net.a(x))),
    np_index_of_a_list=lambda net, x: net.b(net.a(x)[[0, 2], 1:3]),
    np_iteration=lambda net, x: net.b(mx.np.stack([net.a(row[None]) for row in x], axis=1)),
    np_unpacked=lambda net, x: net.b(sum(mx.np.split(net.a(x), 2, axis=1))),
    np_cast=lambda net, x: net.b(net.a(x).astype("float64").astype("float32")),
    np_function=lambda net, x: net.b(Square()(net.a(x))),
    np_length=lambda net, x: net.b(mx.np.concatenate([net.a(x)] * len(x), axis=1)),
    np_rnn=lambda net, x: net.b(_rnn(net, x)),
)
lines(
    NUMPY,
    numbers=True,
    np_mask=lambda net, x: net.b(net.a(x)[x > 0].reshape(1, -1)),
    np_item=lambda net, x: net.b(net.a(x) * x[0, 0].item()),
)


def _in_place_np(h):
    h += 1
    h *= mx.np.ones((4, 1))
    return h


def _np_written(h):
    rows = mx.np.zeros((4, 6))
    rows[1:3] = h[1:3]
    rows[:] = h + rows
    return rows


def _rnn(net, x):
    return net.layer(mx.np.expand_dims(net.a(x), 0))[0]


def cases():
    """Every piece: its name, whether in NumPy mode, whether hybridized, and what builds the network."""
    for name, code in PIECES.items():
        if not GLUON_2:  # whose arrays are NumPy's
            yield name, False, False, lambda code=code: Plain(code)
    for name, code in HYBRID.items():
        for hybridized in () if GLUON_2 else (False, True):
            yield name, False, hybridized, lambda code=code: Hybrid(code)
    for name, code in NUMPY.items():
        yield name, True, False, lambda code=code: Plain(code)


def compared(build, numpy, hybridized, known=False):
    """What a real first forward pass makes of a network, and what the kit says: shapes by path, or the refusal."""
    if numpy:
        mx.npx.set_np()
    answers = []
    for kit in (False, True):
        net, inputs = build() if build in NETWORKS else (build(), [INPUT])
        if known:  # one of the two layers is told its size
            net.a = nn.Dense(6, flatten=False, in_units=6)
        net.initialize(force_reinit=True)
        try:
            with warnings.catch_warnings(), redirect_stdout(None):  # MXNet prints what it also raises
                warnings.simplefilter("ignore")
                if hybridized:
                    net.hybridize()
                if kit:
                    rows = ik.resolve_shapes(net, *inputs)
                    answers.append({path: row.shape for row in rows for path in (row.path, *row.aliases)})
                else:
                    ones = (mx.np if numpy else mx.nd).ones
                    net(*[ones(each) if each is INPUT else each for each in inputs])
                    mx.nd.waitall()
                    answers.append({path: tuple(param.shape) for path, param in parameters(net)})
        except Exception as error:
            answers.append(error)
    if numpy and not GLUON_2:
        mx.npx.reset_np()
    return answers


def parameters(net):
    """The parameters that hold values, by path."""
    found = net._collect_params_with_prefix() if not GLUON_2 else net.collect_params()
    return [(path, param) for path, param in found.items() if param._data is not None]


def verdict(name, real, ours):
    """Whether a row is right, and in a word why."""
    if isinstance(ours, Exception) and not isinstance(ours, ik.DeferredInitError):
        return False, f"raised {type(ours).__name__}: {ours}"
    if name == LEFT_OUT and isinstance(real, Exception):
        return "shape cannot be inferred" in str(real), "MXNet trips over a layer that its graph leaves out"
    if isinstance(real, Exception) or isinstance(ours, Exception):
        if isinstance(real, Exception) and isinstance(ours, Exception):
            return True, "both refuse"
        if isinstance(ours, Exception) and name in NUMBERS and "needs numbers" in str(ours):
            return True, "reads numbers, and is told so"
        return False, f"a forward pass: {real}; the kit: {ours}"
    same = all(ours.get(path) == shape for path, shape in real.items())
    return same, "same shapes" if same else f"a forward pass: {real}; the kit: {ours}"


def main(words):
    """Print the table."""
    rows = [(*case[:3], known, case[3]) for case in cases() for known in (False, True)]
    rows += [(name, GLUON_2, hybridized, False, build) for build, name in NETWORKS.items() for hybridized in (0, 1)]
    rows = [row for row in rows if not words or any(word in row[0] for word in words)]
    wrong = 0
    for name, numpy, hybridized, known, build in rows:
        right, why = verdict(name, *compared(build, numpy, hybridized, known))
        wrong += not right
        how, state = "hybridized" if hybridized else "imperative", "partly" if known else "deferred"
        print(f"{'ok' if right else 'WRONG':6}{name:36}{how:12}{state:10}{why[:300]}", flush=True)
    print(f"{len(rows)} rows, {wrong} wrong, on MXNet {mx.__version__}")
    return bool(wrong)


def _networks():
    import zoo_networks

    networks = {partial(zoo_networks.zoo, name): name for name in zoo_networks.VISION}
    builders = list(zoo_networks.SERIES)
    try:
        import gluoncv  # noqa: F401
        import gluonnlp  # noqa: F401
    except ImportError:
        pass
    else:
        builders += zoo_networks.LIBRARIES + zoo_networks.SLOW
    return {**networks, **{build: build.__name__ for build in builders}}


NETWORKS = {}
if __name__ == "__main__":
    NETWORKS = _networks()
    sys.exit(main(sys.argv[1:]))
