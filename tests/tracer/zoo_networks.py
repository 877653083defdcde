"""Real networks with the smallest inputs that they take: all of MXNet's vision zoo, and GluonCV's and GluonNLP's.

Beside them networks for time series, written as GluonTS writes its own: plain code on arrays that broadcasts, slices
and reads shapes. Each builder answers the network and its arguments. The benchmark's table and the tests of values go
through them.
"""

import inspect

import mxnet as mx
from mxnet.gluon import Block, nn, rnn
from mxnet.gluon.model_zoo import vision

nd = mx.nd if hasattr(mx.gluon, "ParameterDict") else mx.np  # arrays as layers take them
_MAKERS = {"get_model", "get_resnet", "get_vgg", "get_mobilenet", "get_mobilenet_v2"}
VISION = sorted(name for name, maker in vars(vision).items()
                if inspect.isfunction(maker) and name not in _MAKERS and not name.startswith("_"))  # fmt: skip
# The smallest of each kind.
KINDS = ["alexnet", "densenet121", "inception_v3", "mobilenet0_25", "mobilenet_v2_0_25", "resnet18_v1", "resnet18_v2",
         "resnet50_v1", "resnet50_v2", "squeezenet1_1", "vgg11", "vgg11_bn"]  # fmt: skip


def zoo(name, classes=10, size=None):
    fixed = name.startswith(("densenet", "squeezenet"))
    smallest = {"inception_v3": 299, "alexnet": 64}.get(name, 224 if fixed else 32)
    size = smallest if size is None else max(size, smallest)
    return getattr(vision, name)(classes=classes), [nd.zeros((1, 3, size, size))]


def ssd_512_resnet50_v1_coco():
    import gluoncv

    net = gluoncv.model_zoo.get_model("ssd_512_resnet50_v1_coco", pretrained=False, pretrained_base=False)
    return net, [nd.zeros((1, 3, 128, 128))]


def yolo3_darknet53():
    import gluoncv

    net = gluoncv.model_zoo.yolo3_darknet53_coco(pretrained=False, pretrained_base=False)
    return net, [nd.zeros((1, 3, 64, 64))]


def fcn_resnet50():
    import gluoncv

    net = gluoncv.model_zoo.get_fcn(dataset="pascal_voc", backbone="resnet50", pretrained=False, pretrained_base=False,
                                    base_size=64, crop_size=64)  # fmt: skip
    return net, [nd.zeros((1, 3, 64, 64))]


def simple_pose_resnet18():
    import gluoncv

    net = gluoncv.model_zoo.get_model("simple_pose_resnet18_v1b", pretrained=False, pretrained_base=False)
    return net, [nd.zeros((1, 3, 64, 64))]


def bert():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12)
    net = gluonnlp.model.BERTModel(encoder, vocab_size=30, token_type_vocab_size=2, units=16, embed_size=16)
    return net, [nd.ones((2, 6)), nd.zeros((2, 6)), nd.array([6, 4]), nd.zeros((2, 2))]


def awd_lstm():
    import gluonnlp

    net = gluonnlp.model.train.AWDRNN("lstm", 20, 8, 8, 2, tie_weights=True, dropout=0.4, weight_drop=0.5)
    return net, [nd.ones((5, 2)), net.begin_state(batch_size=2, func=mx.nd.zeros)]


def standard_lstm():
    import gluonnlp

    net = gluonnlp.model.StandardRNN("lstm", 20, 8, 8, 2, dropout=0.0, tie_weights=False)
    return net, [nd.ones((5, 2)), net.begin_state(batch_size=2, func=mx.nd.zeros)]


def transformer():
    import gluonnlp

    vocab = gluonnlp.Vocab(gluonnlp.data.count_tokens(list("abcdefgh")))
    encoder, decoder, step = gluonnlp.model.transformer.get_transformer_encoder_decoder(
        units=16, hidden_size=32, num_layers=2, num_heads=2, max_src_length=12, max_tgt_length=12
    )
    net = gluonnlp.model.translation.NMTModel(src_vocab=vocab, tgt_vocab=vocab, encoder=encoder, decoder=decoder,
                                              one_step_ahead_decoder=step, embed_size=16)  # fmt: skip
    return net, [nd.ones((2, 6)), nd.ones((2, 5)), nd.array([6, 4]), nd.array([5, 3])]


def bert_with_decoder():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12)
    net = gluonnlp.model.BERTModel(encoder, vocab_size=30, token_type_vocab_size=2, units=16, embed_size=16,
                                   use_decoder=True)  # fmt: skip
    return net, [nd.ones((2, 6)), nd.zeros((2, 6)), nd.array([6, 4]), nd.zeros((2, 2))]


def elmo():
    import gluonnlp

    net = gluonnlp.model.ELMoBiLM("lstmpc", 8, [[1, 4], [2, 4]], 4, 262, 1, "relu", 10, 8, 12, 8, 2, 3, 3)
    return net, [nd.ones((2, 5, 10)), net.begin_state(mx.nd.zeros, batch_size=2), nd.ones((2, 5))]


def _of_gluoncv(name, *shape):
    def build():
        import gluoncv

        return gluoncv.model_zoo.get_model(name, pretrained=False, pretrained_base=False), [nd.zeros(shape)]

    build.__name__ = name
    return build


class Scaler(Block):
    """The mean of what was observed, and the series divided by it."""

    def forward(self, series, observed):
        count = mx.nd.maximum(observed.sum(axis=1), 1.0)
        mean = (series.abs() * observed).sum(axis=1) / count
        overall = (mean * count).sum() / count.sum()
        scale = mx.nd.where(mean > 0, mean, overall.broadcast_to(mean.shape)).expand_dims(1)
        return series / scale, scale


class Embedder(Block):
    """Categories of several features, each embedded by itself, side by side."""

    def __init__(self, sizes, width):
        super().__init__()
        self.tables = [nn.Embedding(size, width) for size in sizes]
        for table in self.tables:
            self.register_child(table)

    def forward(self, features):
        parts = mx.nd.split(features, num_outputs=len(self.tables), axis=-1, squeeze_axis=True)
        return mx.nd.concat(*[table(part) for table, part in zip(self.tables, parts)], dim=-1)


class DeepAutoregression(Block):
    """DeepAR: lagged values and embedded categories, step by step through cells; a distribution's two parameters."""

    def __init__(self, lags=(1, 2, 7)):
        super().__init__()
        self.lags, self.scaler, self.embedder = lags, Scaler(), Embedder([5, 3], 4)
        self.cells = rnn.SequentialRNNCell()
        self.cells.add(rnn.LSTMCell(8))
        self.cells.add(rnn.ResidualCell(rnn.LSTMCell(8)))
        self.mu, self.sigma = nn.Dense(1, flatten=False), nn.Dense(1, flatten=False, activation="softrelu")

    def forward(self, series, observed, categories):
        scaled, scale = self.scaler(series, observed)
        length = series.shape[1] - max(self.lags)
        lagged = mx.nd.stack(*[scaled[:, -lag - length : -lag] for lag in self.lags], axis=2)
        static = mx.nd.concat(self.embedder(categories), scale.log(), dim=1)
        static = static.expand_dims(axis=1).repeat(axis=1, repeats=length)
        steps, _ = self.cells.unroll(length, mx.nd.concat(lagged, static, dim=2), layout="NTC", merge_outputs=True)
        return self.mu(steps).squeeze(axis=2) * scale, self.sigma(steps).squeeze(axis=2) * scale


class BasisExpansion(Block):
    """N-BEATS: each block takes its backcast from the series and adds its forecast, and the next sees what is left."""

    def __init__(self, blocks=3, horizon=4):
        super().__init__()
        self.horizon, self.stacks = horizon, nn.Sequential()
        for _ in range(blocks):
            self.stacks.add(nn.Sequential())
            self.stacks[-1].add(nn.Dense(16, activation="relu"), nn.Dense(16, activation="relu"), nn.Dense(6))

    def forward(self, series):
        scale = series.abs().mean(axis=1, keepdims=True)
        left, forecast = series / scale, 0
        for stack in self.stacks:
            theta = stack(left)
            times = mx.nd.arange(-series.shape[1], self.horizon).reshape((1, -1)) / series.shape[1]
            basis = mx.nd.concat(*[times**power for power in range(theta.shape[1])], dim=0)
            whole = mx.nd.dot(theta, basis)
            left = left - whole[:, : -self.horizon]
            forecast = forecast + whole[:, -self.horizon :]
        return forecast * scale


class CausalConvolutions(Block):
    """WaveNet: dilated convolutions with gates; each shortens the series, and what it skips is cut to its length."""

    def __init__(self, depth=4, channels=8):
        super().__init__()
        self.embed, self.gates, self.ones = nn.Embedding(32, channels), nn.Sequential(), nn.Sequential()
        for level in range(depth):
            self.gates.add(nn.Conv1D(2 * channels, 2, dilation=2**level))
            self.ones.add(nn.Conv1D(channels, 1))
        self.out = nn.Conv1D(32, 1)

    def forward(self, series):
        bins = (series - series.min(axis=1, keepdims=True)) * 31 / series.max(axis=1, keepdims=True)
        x, skipped = self.embed(bins.clip(0, 31)).swapaxes(1, 2), []
        for gate, one in zip(self.gates, self.ones):
            half = gate(x).split(num_outputs=2, axis=1)
            y = one(half[0].tanh() * half[1].sigmoid())
            skipped.append(y)
            x = y + x[:, :, -y.shape[2] :]
        return self.out(mx.nd.relu(sum(each[:, :, -x.shape[2] :] for each in skipped)))


class Attentive(Block):
    """A transformer without a library: positions from the shape, and a mask of what is to come."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads, self.project, self.norm = heads, nn.Dense(width, flatten=False), nn.LayerNorm()
        self.queries, self.keys, self.values = (nn.Dense(width, flatten=False, use_bias=False) for _ in range(3))
        self.head = nn.Dense(1, flatten=False)

    def forward(self, series):
        batch, length = series.shape
        place = mx.nd.arange(length).reshape((1, length, 1)).broadcast_to((batch, length, 1)) / length
        x = self.norm(self.project(mx.nd.concat(series.expand_dims(2), place, dim=2)))
        q, k, v = (self._split(layer(x)) for layer in (self.queries, self.keys, self.values))
        scores = mx.nd.batch_dot(q, k, transpose_b=True) / q.shape[-1] ** 0.5
        steps = mx.nd.arange(length)
        scores = scores - 1e9 * (steps.reshape((1, 1, -1)) > steps.reshape((1, -1, 1)))
        mixed = mx.nd.batch_dot(scores.softmax(), v).reshape((-1, self.heads, length, 0), reverse=True)
        return self.head(x + mixed.transpose((0, 2, 1, 3)).reshape((0, 0, -1))).squeeze(axis=2)

    def _split(self, x):
        return x.reshape((0, 0, self.heads, -1)).transpose((0, 2, 1, 3)).reshape((-3, 0, 0))


def deep_autoregression():
    return DeepAutoregression(), [nd.ones((3, 20)), nd.ones((3, 20)), nd.ones((3, 2))]


def basis_expansion():
    return BasisExpansion(), [nd.ones((3, 20))]


def causal_convolutions():
    return CausalConvolutions(), [nd.ones((3, 20))]


def attentive():
    return Attentive(), [nd.ones((3, 20))]


LIBRARIES = [ssd_512_resnet50_v1_coco, yolo3_darknet53, fcn_resnet50, simple_pose_resnet18, bert, awd_lstm,
             standard_lstm, transformer, bert_with_decoder, elmo,
             _of_gluoncv("center_net_resnet18_v1b_voc", 1, 3, 128, 128),
             _of_gluoncv("hrnet_w18_small_v1_c", 1, 3, 64, 64),
             _of_gluoncv("mobile_pose_resnet18_v1b", 1, 3, 64, 64)]  # fmt: skip
# For the table of shapes, and not for every run of the suite: seconds for a forward pass.
SLOW = [_of_gluoncv("faster_rcnn_resnet50_v1b_voc", 1, 3, 128, 128),
        _of_gluoncv("i3d_resnet50_v1_kinetics400", 1, 3, 8, 64, 64),
        _of_gluoncv("slowfast_4x16_resnet50_kinetics400", 1, 3, 36, 64, 64),
        _of_gluoncv("alpha_pose_resnet101_v1b_coco", 1, 3, 64, 64)]  # fmt: skip
# Classic arrays, which MXNet 2's layers do not take.
SERIES = [deep_autoregression, basis_expansion, causal_convolutions, attentive] if nd is mx.nd else []
