"""Every config can be exported, and says the same then.

The quick suite exports two small ones. All of them, 10 minutes on 2 cores:

    EVERY_CONFIG=1 python -m pytest tests/deploy/test_every_config_exports.py
"""

import os

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from small_models import noise

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from custom_modules.deploy.export import export_onnx  # noqa: E402
from custom_modules.deploy.torch_model import TorchModel  # noqa: E402
from custom_modules.evaluation.exported import OnnxModel  # noqa: E402

CONFIGS = {
    path.relative_to(REPOSITORY / 'configs').as_posix(): path
    for path in sorted((REPOSITORY / 'configs').rglob('*.py'))
    if '_base_' not in path.parts
}
QUICK = ('reference/report2_simple_net_classifier.py', 'reference/report2_simple_net_frozen.py')


@pytest.mark.parametrize('name', CONFIGS if os.environ.get('EVERY_CONFIG') else QUICK)
def test_it_exports(name, tmp_path):
    cfg = Config.fromfile(CONFIGS[name])
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    weights = tmp_path / 'random.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), weights)
    model = TorchModel(CONFIGS[name], weights, device='cpu')
    exported = OnnxModel(export_onnx(model))
    width, height = model.card.size
    images = noise(2, height, width)
    found = exported(images)
    # what the library's own model says of the same pixels
    batch = dict(inputs=list(torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2)))
    with torch.inference_mode():
        samples = model.network.model.test_step(batch)
    if cfg.default_scope == 'mmseg':
        raw = torch.stack([sample.seg_logits.data for sample in samples])
        expected = raw if raw.shape[1] == 1 else raw.softmax(1)
    else:
        expected = torch.stack([sample.pred_score for sample in samples])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # random weights must not have made it trivial
    assert found.std() > 1e-4
