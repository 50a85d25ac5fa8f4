"""An exported file says what the checkpoint says, alone, in other programs and in the config's own tests."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY, loader_options, make_moon, make_tiny_imagenet, run_tool
from PIL import Image
from small_models import write_model

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from custom_modules.deploy import RockDetector  # noqa: E402
from custom_modules.deploy.detector import load_model  # noqa: E402
from custom_modules.deploy.export import export_onnx, require_equal  # noqa: E402
from custom_modules.evaluation.exported import OnnxModel  # noqa: E402
from custom_modules.utils.errors import UsageError  # noqa: E402


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    return {name: write_model(folder, name) for name in ('segmentor', 'classifier')}


@pytest.fixture(scope='module')
def files(models):
    """Each model's exported file, as the tool writes it."""
    written = {}
    for name, (config, checkpoint) in models.items():
        written[name] = checkpoint.with_suffix('.onnx')
        assert run_tool('export.py', config, checkpoint, '-o', written[name]) == 0
    return written


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_the_file_is_whole_in_itself(files, models):
    read = onnx.load(files['segmentor'], load_external_data=False)
    onnx.checker.check_model(read, full_check=True)
    assert not any(tensor.external_data for tensor in read.graph.initializer)
    assert len(list(files['segmentor'].parent.glob('segmentor.onnx*'))) == 1
    (images,), (probability,) = read.graph.input, read.graph.output
    sides = [[axis.dim_param or axis.dim_value for axis in v.type.tensor_type.shape.dim] for v in (images, probability)]
    assert sides == [['N', 64, 64, 3], ['N', 64, 64]]
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    facts = {entry.key: json.loads(entry.value) for entry in read.metadata_props}
    assert facts['classes'] == ['background', 'rock'] and facts['threshold'] == 0.4
    assert facts['size'] == [64, 64] and facts['palette'] == [[40, 40, 40], [230, 159, 0]]
    assert re.fullmatch('segmentor [0-9a-f]{64}', facts['source'])


def test_any_size(models):
    model = load_model(*models['segmentor'], device='cpu')
    exported = OnnxModel(export_onnx(model, dynamic=True))
    for count, height, width in ((2, 64, 64), (1, 97, 131), (3, 33, 250), (2, 128, 31)):
        images = noise(count, height, width)
        found = exported(images)
        assert found.shape == (count, 1, height, width)
        np.testing.assert_allclose(found, model(images), atol=1e-4)
    assert exported.card == model.card


def test_a_file_that_differs_is_not_written(refused, models, files, monkeypatch, tmp_path):
    from custom_modules.deploy import export

    spoiled = onnx.load(files['segmentor'])
    (bias,) = [t for t in spoiled.graph.initializer if t.name.endswith('conv_seg.bias')]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.01, bias.name))
    monkeypatch.setattr(export, 'export_onnx', lambda *given: spoiled.SerializeToString())
    refused('differs from PyTorch by 0.00', 'export.py', *models['segmentor'], '-o', tmp_path / 'a.onnx')
    assert not list(tmp_path.iterdir())
    require_equal(export.Deviation(9e-4, 1, 32))
    with pytest.raises(UsageError, match='nothing is written'):
        require_equal(export.Deviation(float('nan'), 1, 32))


def test_prediction_imports_neither_torch_nor_mmseg(files, tmp_path):
    Image.fromarray(noise(90, 120)).save(tmp_path / 'photo.jpg')
    code = (
        'import runpy, sys\n'
        'for name in ("torch", "mmseg", "mmcv", "mmpretrain", "onnx"): sys.modules[name] = None\n'
        f'sys.argv = ["predict.py", {str(files["segmentor"])!r}, {str(tmp_path / "photo.jpg")!r}, "-o", {str(tmp_path / "out")!r}]\n'
        'runpy.run_path("tools/predict.py", run_name="__main__")'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '1 pictures' in done.stdout
    mask = np.asarray(Image.open(tmp_path / 'out' / 'masks' / 'photo.png'))
    assert (mask / 255 == RockDetector(files['segmentor'])(tmp_path / 'photo.jpg').mask).all()


def test_the_program_of_the_documents_finds_the_same_rocks(files, tmp_path):
    """Without this repository, and without torch, mmseg, Pillow or onnx."""
    page = (REPOSITORY / 'docs' / 'deploy.md').read_text()
    (program,) = [p for p in re.findall(r'```python\n(.*?)```', page, re.DOTALL) if 'onnxruntime' in p]
    assert program.count('\n') <= 30
    Image.fromarray(noise(90, 120)).save(tmp_path / 'photo.png')
    blocked = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'PIL', 'onnx')
    start = f'import sys\nfor name in {blocked + ("custom_modules",)!r}: sys.modules[name] = None\n'
    given = [sys.executable, '-c', start + program, files['segmentor'], 'photo.png']
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = RockDetector(files['segmentor'])(tmp_path / 'photo.png')
    assert f'{len(found.rocks)} rocks in photo.png' in done.stdout and found.rocks
    assert ((np.asarray(Image.open(tmp_path / 'mask.png')) > 0) == found.mask).mean() > 0.999


@pytest.mark.parametrize('name', ['segmentor', 'classifier'])
def test_a_file_has_the_checkpoints_scores(name, tool, refused, models, files, tmp_path, monkeypatch, capsys):
    config, checkpoint = models[name]
    monkeypatch.setenv('MOON_DATA', str(make_moon(tmp_path / 'moon')))
    if name == 'classifier':
        wnids = list(load_model(config, checkpoint, device='cpu').card.classes)
        monkeypatch.setenv('TINY_IMAGENET', str(make_tiny_imagenet(tmp_path / 'tiny', wnids)))
    found = []
    for weights in (checkpoint, files[name]):
        given = ('--work-dir', tmp_path / weights.suffix, '--cfg-options', *loader_options())
        assert tool('test.py', config, weights, *given) == 0
        scores = dict(re.findall(r'(\S+): ([\d.]+)', capsys.readouterr().out.splitlines()[-1]))
        found.append({score: float(value) for score, value in scores.items() if 'time' not in score})
    main = 'rock_Dice' if name == 'segmentor' else 'accuracy/top1'
    assert found[0] == found[1] and found[0][main] > 0
    if name == 'segmentor':
        assert found[0][main] < 100
        refused('--tta is for a checkpoint', 'test.py', config, files[name], '--tta', *given)


@pytest.mark.parametrize('layout', ['pairs', 'pictures'])
def test_int8_is_smaller_and_says_what_it_costs(tool, models, files, layout, tmp_path, capsys, monkeypatch):
    from custom_modules.deploy import export

    # it was exported once
    monkeypatch.setattr(export, 'export_onnx', lambda *given: files['segmentor'].read_bytes())
    if layout == 'pairs':
        folder = make_moon(tmp_path / 'moon', count=9)
    else:
        folder = tmp_path / 'photos'
        folder.mkdir()
        for i in range(9):
            Image.fromarray(noise(70, 80 + i)).save(folder / f'{i}.jpg')
    out = tmp_path / 'int8.onnx'
    assert tool('export.py', *models['segmentor'], '-o', out, '--int8', '--calibration', folder) == 0
    printed = capsys.readouterr().out
    against = 'their masks' if layout == 'pairs' else "the float model's own answers"
    words = rf'4 pictures .* scored against {against}: Dice ([\d.]+) in float, ([\d.]+) in int8'
    line = re.search(words, printed)
    before, after = float(line[1]), float(line[2])
    assert before == 100 if layout == 'pictures' else before < 100
    assert ('int8 costs' in printed.splitlines()[-1]) == (before - after > 1)
    quantized = onnx.load(out)
    weights = [t for t in quantized.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    kinds = {node.op_type for node in quantized.graph.node}
    assert {'QuantizeLinear', 'DequantizeLinear'} <= kinds and len(weights) > 20
    assert out.stat().st_size < files['segmentor'].stat().st_size
    # scales per channel
    scales = [t.dims for t in quantized.graph.initializer if 'scale' in t.name]
    assert any(len(dims) == 1 and dims[0] > 1 for dims in scales)
    a, b = OnnxModel(files['segmentor'])(noise(2, 64, 64)), OnnxModel(out)(noise(2, 64, 64))
    assert 0 < np.abs(a - b).mean() < 0.1
