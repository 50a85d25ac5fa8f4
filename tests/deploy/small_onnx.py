"""A small segmentor as an .onnx file, made by hand: no export to wait for."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

CARD = dict(
    task='segmentation',
    classes=('background', 'rock'),
    palette=((40, 40, 40), (230, 159, 0)),
    threshold=0.6,
    size=(64, 48),
    licence='none',
    source='by_hand 0123456789',
)


def write_small_onnx(path: Path, **card) -> Path:
    """Write two convolutions of random weights; what is bright tends to be rock.

    Args:
        path (Path): The file.
        **card: What it says of itself, where that differs from ``CARD``.
    """
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.05, (64, 3, 3, 3)) + 1 / 27
    last = rng.normal(0, 0.02, (1, 64, 3, 3)) + 4 / 576
    weights = dict(half=127.0, scale=127.5, first=first, last=last)
    nodes = [
        helper.make_node('Cast', ['images'], ['float'], to=onnx.TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Sub', ['planes', 'half'], ['around'], name='around'),
        helper.make_node('Div', ['around', 'scale'], ['normal']),
        helper.make_node('Conv', ['normal', 'first'], ['inner'], pads=[1, 1, 1, 1]),
        helper.make_node('Tanh', ['inner'], ['bent']),
        helper.make_node('Conv', ['bent', 'last'], ['logit'], pads=[1, 1, 1, 1]),
        helper.make_node('Sigmoid', ['logit'], ['share']),
        helper.make_node('Squeeze', ['share', 'axis'], ['probability']),
    ]
    columns, rows = CARD['size']
    graph = helper.make_graph(
        nodes,
        'small',
        [helper.make_tensor_value_info('images', onnx.TensorProto.UINT8, ['N', rows, columns, 3])],
        [
            helper.make_tensor_value_info(
                'probability', onnx.TensorProto.FLOAT, ['N', rows, columns]
            )
        ],
        [numpy_helper.from_array(np.float32(value), name) for name, value in weights.items()]
        + [numpy_helper.from_array(np.array([1]), 'axis')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 20)], ir_version=10)
    helper.set_model_props(model, {k: json.dumps(v) for k, v in (CARD | card).items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
