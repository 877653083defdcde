"""Layers read back as the code that makes them: the code, run, makes the same layer."""

from gluon_initkit._mxnet.layers import constructor_call
from gluon_initkit._mxnet.parameter import shape_of
from gluon_initkit._mxnet.tree import class_name
import mxnet as mx
from mxnet.gluon import contrib, nn, rnn
import pytest
from vocabulary import GLUON_2, exists

SYNCHRONIZED = "nn.SyncBatchNorm" if GLUON_2 else "contrib.nn.SyncBatchNorm"
DEFORMABLE = (nn if GLUON_2 else contrib.cnn).DeformableConvolution
WRITTEN = [
    "nn.Dense(4, in_units=5)",
    "nn.Dense(4, activation='relu', use_bias=False, flatten=False, dtype='float16', in_units=5)",
    "nn.Dense(4, weight_initializer=mx.init.Normal(sigma=0.1), bias_initializer='ones', in_units=5)",
    "nn.Conv1D(4, 3, in_channels=6)",
    "nn.Conv2D(8, (3, 5), strides=2, padding=1, dilation=2, groups=2, activation='relu', in_channels=6)",
    "nn.Conv2D(8, 3, layout='NHWC', in_channels=6)",
    "nn.Conv3D(4, 3, use_bias=False, in_channels=6)",
    "nn.Conv1DTranspose(4, 3, in_channels=6)",
    "nn.Conv2DTranspose(8, 3, strides=2, output_padding=1, groups=2, in_channels=6)",
    "nn.Conv3DTranspose(4, 3, in_channels=6)",
    "nn.BatchNorm(axis=-1, momentum=0.5, epsilon=0.1, center=False, scale=False, in_channels=6)",
    "nn.BatchNormReLU(use_global_stats=True, in_channels=6)",
    "nn.LayerNorm(axis=1, center=False, in_channels=6)",
    "nn.InstanceNorm(scale=True, in_channels=6)",
    "nn.PReLU(in_channels=6)",
    f"{SYNCHRONIZED}(num_devices=2, in_channels=6)",
    "rnn.RNN(3, activation='tanh', input_size=6)",
    "rnn.LSTM(3, num_layers=2, layout='NTC', bidirectional=True, projection_size=2, input_size=6)",
    "rnn.GRU(3, dropout=0.5, use_sequence_length=True, input_size=6)",
    "rnn.RNNCell(3, activation='relu', input_size=6)",
    "rnn.LSTMCell(3, input_size=6)",
    "rnn.GRUCell(3, i2h_bias_initializer='ones', input_size=6)",
]
WRITTEN += ["nn.GroupNorm(num_groups=2, center=False, in_channels=6)"] if GLUON_2 else []
WRITTEN = [code for code in WRITTEN if exists(code)]
NAMES = {"nn": nn, "rnn": rnn, "contrib": contrib, "mx": mx}


@pytest.mark.parametrize("code", WRITTEN)
def test_the_code_makes_the_layer_that_it_was_read_from(code):
    assert constructor_call(eval(code, NAMES), shape_of) == code


# MXNet cannot make a grouped transposed convolution whose input size is open, but in NumPy mode.
@pytest.mark.parametrize("code", [code for code in WRITTEN if "2DTranspose" not in code])
def test_a_size_that_is_not_known_is_a_question_mark(code):
    cut = code.rpartition("=")[0]
    assert constructor_call(eval(cut + "=0)", NAMES), shape_of) == cut + "=?)"


def test_what_cannot_be_read_back_is_not_guessed():
    class Own(nn.Dense):
        def __init__(self, width, in_units=0):
            super().__init__(2 * width, in_units=in_units)

    unread = (Own(3), nn.Embedding(3, 4), nn.HybridSequential(), DEFORMABLE(4))
    for block in unread if GLUON_2 else (*unread, nn.GroupNorm()):
        assert constructor_call(block, shape_of) is None


def test_a_subclass_that_is_made_alike_is_read():
    class Mine(nn.Dense):
        pass

    assert constructor_call(Mine(3), shape_of) == "Mine(3, in_units=?)"


def test_numpy_mode():
    mx.npx.set_np()
    code = "nn.Conv2DTranspose(8, 3, groups=2, in_channels=?)"
    assert constructor_call(nn.Conv2DTranspose(8, 3, groups=2), shape_of) == code


def test_names_of_classes():
    assert class_name(nn.Dense) == "nn.Dense" and class_name(rnn.LSTMCell) == "rnn.LSTMCell"
    assert class_name(eval(SYNCHRONIZED, NAMES)) == SYNCHRONIZED and class_name(int) == "int"
