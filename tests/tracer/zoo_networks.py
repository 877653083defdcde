"""Real networks with the smallest inputs that they take: all of MXNet's vision zoo, and GluonCV's and GluonNLP's.

Each builder answers the network and its arguments. The benchmark's table and the tests of values go through them.
"""

import inspect

import mxnet as mx
from mxnet.gluon.model_zoo import vision

nd = mx.nd if hasattr(mx.gluon, "ParameterDict") else mx.np  # arrays as layers take them
_MAKERS = {"get_model", "get_resnet", "get_vgg", "get_mobilenet", "get_mobilenet_v2"}
VISION = sorted(name for name, maker in vars(vision).items()
                if inspect.isfunction(maker) and name not in _MAKERS and not name.startswith("_"))  # fmt: skip


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
