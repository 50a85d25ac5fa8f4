"""A small segmentor as an .onnx file, made by hand: no export to wait for."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_models import ROCK

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

CARD = vars(ROCK) | dict(threshold=0.6, size=(64, 48))
NETWORK = """
<ir_version: 10, opset_import: ["" : 20]>
small (uint8[N, 48, 64, 3] images) => (float[N, 48, 64] probability) {
    float = Cast <to = 1> (images)
    planes = Transpose <perm = [0, 3, 1, 2]> (float)
    around = Sub (planes, half)
    normal = Div (around, scale)
    inner = Conv <pads = [1, 1, 1, 1]> (normal, first)
    bent = Tanh (inner)
    logit = Conv <pads = [1, 1, 1, 1]> (bent, last)
    share = Sigmoid (logit)
    probability = Squeeze (share, axis)
}
"""


def write_small_onnx(path: Path, **card) -> Path:
    """Write two convolutions of random weights; what is bright tends to be rock. ``card`` is what it says of itself unlike ``CARD``."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.05, (64, 3, 3, 3)) + 1 / 27
    weights = dict(half=127.0, scale=127.5, first=first, last=rng.normal(0, 0.02, (1, 64, 3, 3)) + 4 / 576)
    arrays = {name: np.float32(value) for name, value in weights.items()} | dict(axis=np.array([1]))
    model = onnx.parser.parse_model(NETWORK)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, name) for name, a in arrays.items())
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in (CARD | card).items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
