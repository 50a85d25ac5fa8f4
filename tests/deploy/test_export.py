"""An exported file says what the checkpoint says, alone, in other programs and in the config's own tests."""

import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, loader_options, make_moon, make_tiny_imagenet, run_python, run_tool, write_config
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from pictures import load, save
from small_models import noise, write_model
from test_configs import EXPERIMENTS

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from custom_modules.deploy import RockDetector, export  # noqa: E402
from custom_modules.deploy.detector import load_predictor  # noqa: E402
from custom_modules.deploy.export import export_onnx, load_samples, quantize, require_equal  # noqa: E402
from custom_modules.deploy.torch_model import TorchModel  # noqa: E402
from custom_modules.engine.weights import load_model  # noqa: E402
from custom_modules.evaluation.exported import ModelCard, OnnxModel  # noqa: E402
from custom_modules.utils.errors import UsageError  # noqa: E402

export.CHECKED = 4  # scenes, which take longer to render than to predict
# all of them take 10 minutes on 2 cores: EVERY_CONFIG=1
CONFIGS = [path for path in EXPERIMENTS if os.environ.get('EVERY_CONFIG') or path.stem == 'report2_simple_net_frozen']


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    return {name: write_model(folder, name) for name in ('segmentor', 'classifier')}


@pytest.fixture(scope='module')
def files(models):
    written = {name: checkpoint.with_suffix('.onnx') for name, (_, checkpoint) in models.items()}
    for name, path in written.items():
        assert run_tool('export.py', *models[name], '-o', path) == 0
        # whole in itself
        assert len(list(path.parent.glob(f'{path.name}*'))) == 1
    return written


def test_any_size(models):
    model = load_predictor(*models['segmentor'], device='cpu')
    content = export_onnx(model, dynamic=True)
    exported, small = OnnxModel(content), OnnxModel(quantize(content, [(noise(1, 64, 96), None)]))
    for count, height, width in ((2, 64, 64), (1, 97, 131), (3, 33, 250), (2, 128, 31)):
        images = noise(count, height, width)
        found = exported(images)
        assert found.shape == (count, 1, height, width)
        np.testing.assert_allclose(found, model(images), atol=1e-4)
        assert 0 < np.abs(found - small(images)).mean() < 0.1
    assert exported.card == model.card


def test_a_file_that_differs_is_not_written(refused, models, files, monkeypatch, tmp_path):
    spoiled = onnx.load(files['segmentor'])
    (bias,) = [t for t in spoiled.graph.initializer if t.name.endswith('conv_seg.bias')]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.01, bias.name))
    monkeypatch.setattr(export, 'export_onnx', lambda *given: spoiled.SerializeToString())
    refused('differs from PyTorch by 0.00', 'export.py', *models['segmentor'], '-o', tmp_path / 'a.onnx')
    assert not list(tmp_path.iterdir())
    require_equal(export.Deviation(9e-4, 1, 32))
    with pytest.raises(UsageError, match='nothing is written'):
        require_equal(export.Deviation(float('nan'), 1, 32))


@pytest.mark.parametrize('of_the_documents', [True, False])
def test_without_torch_the_same_rocks_are_found(of_the_documents, files, tmp_path):
    """By the tool, and by the program of the documents, which has neither this repository nor Pillow or onnx."""
    photo, blocked = tmp_path / 'photo.png', ['torch', 'mmseg', 'mmcv', 'mmpretrain', 'onnx']
    model = REPOSITORY / 'checkpoints' / 'rock_detector_mobile_int8.onnx' if of_the_documents else files['segmentor']
    save(photo, load(REPOSITORY / 'docs' / 'demo' / 'scene1.jpg') if of_the_documents else noise(90, 120))
    code = "import runpy; runpy.run_path('tools/predict.py', run_name='__main__')"
    given, mask = [model, photo, '-o', tmp_path / 'out'], tmp_path / 'out' / 'masks' / 'photo.png'
    if of_the_documents:
        page = (REPOSITORY / 'docs' / 'deploy.md').read_text()
        (code,) = [p for p in re.findall(r'```python\n(.*?)```', page, re.DOTALL) if 'onnxruntime' in p]
        blocked += ['torchvision', 'mmengine', 'PIL', 'custom_modules']
        given, mask = [model, 'photo.png'], tmp_path / 'mask.png'
    start = f'import sys\nfor name in {blocked}: sys.modules[name] = None\n'
    done = run_python('-c', start + code, *given, cwd=tmp_path if of_the_documents else REPOSITORY)
    found = RockDetector(model)(photo)
    assert f'{len(found.rocks)} rocks' in done.stdout and found.rocks
    assert ((load(mask) > 0) == found.mask).mean() > 0.999


@pytest.mark.parametrize('name', ['segmentor', 'classifier'])
def test_a_file_has_the_checkpoints_scores(name, tool, refused, models, files, moon, tmp_path, monkeypatch, capsys):
    config, checkpoint = models[name]
    if name == 'classifier':
        wnids = list(load_predictor(config, checkpoint, device='cpu').card.classes)
        monkeypatch.setenv('TINY_IMAGENET', str(make_tiny_imagenet(tmp_path / 'tiny', wnids)))
    found = []
    for weights in (checkpoint, files[name]):
        given = ('--work-dir', tmp_path / weights.suffix, '--cfg-options', *loader_options())
        assert tool('test.py', config, weights, *given) == 0
        scores = dict(re.findall(r'(\S+): ([\d.]+)', capsys.readouterr().out.splitlines()[-1]))
        found.append({score: float(value) for score, value in scores.items() if 'time' not in score})
    assert found[0] == found[1] and 0 < found[0]['rock_Dice' if name == 'segmentor' else 'accuracy/top1'] < 100
    if name == 'segmentor':
        masks = [RockDetector(*own, device='cpu')(noise(90, 120)).mask for own in (models[name], [files[name]])]
        assert (masks[0] == masks[1]).mean() > 0.999 and 0.1 < masks[0].mean() < 0.9
        refused('pass --overwrite', 'export.py', config, checkpoint, '-o', files[name])
        refused('--tta is for a checkpoint', 'test.py', config, files[name], '--tta', *given)
        refused('knows 4 classes (', 'test.py', config, files['classifier'], *given)


def test_a_model_that_tests_in_windows_is_refused(refused, tmp_path):
    windows = "model = dict(test_cfg=dict(mode='slide', crop_size=(128, 128), stride=(96, 96)))\n"
    given = write_config(tmp_path / 'a.py', 'rock_detector_mobile', windows), REPOSITORY / 'checkpoints/rock_detector_mobile.pth'
    for tool, *picture in (('predict.py', REPOSITORY / 'docs/demo/scene1.jpg'), ('export.py',)):
        refused("set mode='whole' in the config", tool, *given, *picture, '-o', tmp_path / 'out.onnx')
    assert [path.name for path in tmp_path.iterdir()] == ['a.py']


def test_int8_is_not_scored_where_the_float_model_finds_nothing(tool, models, files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, 'export_onnx', lambda *given: files['segmentor'].read_bytes())
    monkeypatch.setattr(ModelCard, 'labels', lambda card, found: np.zeros((len(found), 64, 64), np.uint8))
    for i in range(4):
        save(tmp_path / f'{i}.png', noise(64, 64))
    assert tool('export.py', *models['segmentor'], '-o', tmp_path / 'a.onnx', '--int8', '--calibration', tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'Dice nan in float' in printed and 'finds nothing in these pictures, so that int8 is not scored' in printed


@pytest.mark.parametrize('layout', ['pairs', 'pictures'])
def test_int8_is_smaller_and_says_what_it_costs(tool, models, files, layout, tmp_path, capsys, monkeypatch):
    # it was exported once
    monkeypatch.setattr(export, 'export_onnx', lambda *given: files['segmentor'].read_bytes())
    if layout == 'pairs':
        folder = make_moon(tmp_path / 'moon', count=9)
    else:
        folder = tmp_path / 'photos'
        for i in range(9):
            save(folder / f'{i}.jpg', noise(70, 80 + i))
    out = tmp_path / 'int8.onnx'
    assert tool('export.py', *models['segmentor'], '-o', out, '--int8', '--calibration', folder) == 0
    printed = capsys.readouterr().out
    against = 'their masks' if layout == 'pairs' else "the float model's own answers"
    line = re.search(rf'4 pictures .* scored against {against}: Dice (\S+) in float, (\S+) in int8', printed)
    before, after = map(float, line.groups())
    assert before == 100 if layout == 'pictures' else before < 100
    assert ('int8 costs' in printed.splitlines()[-1]) == (before - after > 1)
    tensors = onnx.load(out).graph.initializer
    weights = [onnx.numpy_helper.to_array(t) for t in tensors if t.data_type == onnx.TensorProto.INT8]
    assert len(weights) > 20 and all((abs(each.astype(int)) <= 64).all() for each in weights)
    assert out.stat().st_size < files['segmentor'].stat().st_size
    assert any(len(t.dims) == 1 and t.dims[0] > 1 for t in tensors if 'scale' in t.name)
    a, b = OnnxModel(files['segmentor'])(noise(2, 64, 64)), OnnxModel(out)(noise(2, 64, 64))
    assert 0 < np.abs(a - b).mean() < 0.1


def test_masks_are_no_pictures_to_calibrate_on_where_one_is_damaged_or_missing(moon, segmentation):
    mask = moon / 'images' / 'ground' / 'ground0000.png'
    config = Config.fromfile(REPOSITORY / 'configs' / 'unet_baseline.py')
    model = SimpleNamespace(card=SimpleNamespace(task='segmentation', size=(64, 64)), config=config)
    for content, words in ((np.full((64, 64), 128, np.uint8), r'\(128\)'), (None, '1 of 10 .* have no ground')):
        mask.unlink() if content is None else save(mask, content)
        with pytest.raises(UsageError, match=words):
            load_samples(model, moon)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_exports(path, tmp_path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    weights = tmp_path / 'random.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), weights)
    model = TorchModel(path, weights, device='cpu')
    images = noise(2, *model.card.size[::-1])
    found = OnnxModel(export_onnx(model))(images)
    # what the library's own model says of the same pixels
    batch = dict(inputs=list(torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2)))
    with torch.inference_mode():
        samples = load_model(cfg, weights).test_step(batch)
    if cfg.default_scope == 'mmseg':
        raw = torch.stack([sample.seg_logits.data for sample in samples])
        expected = raw if raw.shape[1] == 1 else raw.softmax(1)
    else:
        expected = torch.stack([sample.pred_score for sample in samples])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # random weights must not have made it trivial
    assert found.std() > 1e-4
