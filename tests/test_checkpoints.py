"""The published weights are what their cards say, and work in the configs and through what the libraries offer."""

import hashlib
import re
import runpy
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from conftest import REPOSITORY, fresh_process
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain import ImageClassificationInferencer, get_model
from mmseg.apis import MMSegInferencer, inference_model, init_model, show_result_pyplot
from PIL import Image

from custom_modules.evaluation.exported import OnnxModel
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.preparation.synthetic.dataset import SyntheticSet

CHECKPOINTS = sorted((REPOSITORY / 'checkpoints').glob('*.pth'))
CONFIG = str(REPOSITORY / 'configs' / 'rock_detector_synthetic.py')
WEIGHTS = str(REPOSITORY / 'checkpoints' / 'rock_detector_synthetic.pth')
CLASSIFIER = str(REPOSITORY / 'configs' / 'classifier_14_classes.py')
CLASSIFIER_WEIGHTS = str(REPOSITORY / 'checkpoints' / 'moon_net_tiny_imagenet_14.pth')


@pytest.mark.parametrize('path', CHECKPOINTS, ids=lambda p: p.stem)
def test_card_holds_hash_and_origin(path):
    assert path.stat().st_size <= 12 * 2**20
    assert sum(each.stat().st_size for each in CHECKPOINTS) <= 40 * 2**20
    card = path.with_suffix('.md').read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    for word in ('tools/train.py', 'epochs', 'seed', 'Licence', 'Score'):
        assert word in card, word


@pytest.mark.parametrize('path', CHECKPOINTS, ids=lambda p: p.stem)
def test_weights_and_the_names_of_classes_alone(path):
    loaded = torch.load(path, map_location='cpu', weights_only=True)
    assert list(loaded) == ['state_dict', 'meta'] and list(loaded['meta']) == ['dataset_meta']
    state, classes = loaded['state_dict'], loaded['meta']['dataset_meta']['classes']
    (bias,) = (state[key] for key in ('head.fc.bias', 'decode_head.conv_seg.bias') if key in state)
    # one channel of a segmentor is for two classes
    assert len(classes) == max(len(bias), 2) and all(isinstance(name, str) for name in classes)
    assert all(isinstance(t, torch.Tensor) for t in loaded['state_dict'].values())
    assert all(t.isfinite().all() for t in loaded['state_dict'].values())


@pytest.mark.parametrize('name', ['rock_detector_mobile', 'rock_detector_mobile_int8'])
def test_exported_files_are_of_the_published_weights(name):
    pytest.importorskip('onnxruntime')
    folder = REPOSITORY / 'checkpoints'
    card = OnnxModel(folder / f'{name}.onnx').card
    assert hashlib.sha256((folder / 'rock_detector_mobile.pth').read_bytes()).hexdigest() in card.source
    assert 'CC BY-NC-SA 4.0' in card.licence


@pytest.mark.parametrize(
    ('name', 'least'), [('rock_detector_synthetic', 0.6), ('rock_detector', 0.5), ('rock_detector_mobile', 0.5)]
)
def test_the_detectors_find_rocks_in_scenes_that_they_have_not_seen(name, least, tmp_path):
    SyntheticSet(tmp_path, 12, (421, 280), seed=77, style='mixed').make(workers=1)
    cfg = Config.fromfile(REPOSITORY / 'configs' / f'{name}.py')
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path), split='all')
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.persistent_workers = False
    both = truth = found = 0
    for prediction in CheckpointPredictions(cfg, str(REPOSITORY / 'checkpoints' / f'{name}.pth')):
        both += ((prediction.truth == 1) & (prediction.predicted == 1)).sum()
        truth += (prediction.truth == 1).sum()
        found += (prediction.predicted == 1).sum()
    dice = 2 * both / (truth + found)
    assert dice > least, dice


def textures() -> list[torch.Tensor]:
    """Coloured patches from broad to fine, the same everywhere."""
    rng = np.random.default_rng(0)
    pictures = []
    for cells in (2, 4, 8, 16) * 6:
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, cells, cells)))
        smooth = torch.nn.functional.interpolate(coarse, size=(128, 128), mode='bicubic')
        pictures.append(smooth.clamp(0, 255)[0].round().to(torch.uint8))
    return pictures


# What each classifier saw in them on the day it was published.
SEEN = {
    'moon_net_tiny_imagenet_14': '10 0 10 10 0 10 0 10 0 0 10 10 0 0 10 0 0 0 10 10 10 0 10 10',
    'moon_net_tiny_imagenet_200': '88 13 59 59 13 180 59 59 13 36 59 59 13 36 59 59 13 36 59 59 13 152 59 59',
    'narrow_resnet_tiny_imagenet_10': '0 0 7 7 0 7 7 9 0 0 7 7 0 0 7 7 0 0 7 7 0 0 7 7',
    'simple_net_tiny_imagenet_4': '3 1 1 1 3 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
}


@pytest.mark.parametrize('name', SEEN)
def test_classifiers_see_what_they_saw(name):
    """Other normalisation, another channel order or another network would see something else."""
    path = REPOSITORY / 'checkpoints' / f'{name}.pth'
    config = re.search(r'tools/train.py (configs/\S+\.py)', path.with_suffix('.md').read_text())[1]
    cfg = Config.fromfile(REPOSITORY / config)
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(path, weights_only=True)['state_dict'])
    inputs = model.data_preprocessor(dict(inputs=textures()))['inputs']
    with torch.no_grad():
        scores = model.head(model.extract_feat(inputs))
        swapped = model.head(model.extract_feat(inputs.flip(1)))
    seen = torch.tensor([int(label) for label in SEEN[name].split()])
    # two close scores may change places where sums are rounded otherwise
    agree = (scores.argmax(1) == seen).float().mean()
    assert agree > 0.85, scores.argmax(1).tolist()
    assert (swapped.argmax(1) == seen).float().mean() < agree


@pytest.fixture
def photographs(tmp_path) -> list[str]:
    """Bright squares on dark ground, of two sizes; one file is a JPEG."""
    paths = []
    for name, (height, width) in {'a.png': (128, 128), 'b.jpg': (96, 160)}.items():
        image = np.random.default_rng(0).integers(40, 70, (height, width, 3), dtype=np.uint8)
        image[40:70, 50:80] = 200
        image[70:76, 50:80] = 5
        Image.fromarray(image).save(tmp_path / name)
        paths.append(str(tmp_path / name))
    return paths


def test_init_model_inference_model_and_show_result(photographs, tmp_path):
    model = init_model(CONFIG, WEIGHTS, device='cpu')
    assert tuple(model.dataset_meta['classes']) == ('background', 'rock')
    results = inference_model(model, photographs)
    sizes = [tuple(result.pred_sem_seg.data.shape[-2:]) for result in results]
    assert sizes == [(128, 128), (96, 160)]
    # the same from pixels in memory
    again = inference_model(model, np.asarray(Image.open(photographs[0]))[..., ::-1].copy())
    assert torch.equal(again.pred_sem_seg.data, results[0].pred_sem_seg.data)
    out = tmp_path / 'new' / 'shown.png'
    picture = show_result_pyplot(model, photographs[0], again, show=False, out_file=str(out))
    assert picture.ndim == 3 and out.is_file()


def test_mmseg_inferencer(photographs, tmp_path):
    """Masks and pictures are written, also to folders that are not there, and what is returned is what was drawn."""
    inferencer = MMSegInferencer(CONFIG, WEIGHTS, device='cpu', show_progress=False)
    out = tmp_path / 'out'
    results = inferencer(photographs, out_dir=str(out), return_vis=True)
    assert [mask.shape for mask in results['predictions']] == [(128, 128), (96, 160)]
    published = torch.load(WEIGHTS, weights_only=True)['meta']['dataset_meta']
    assert inferencer.visualizer.dataset_meta['classes'][1] == published['classes'][1] == 'rock'
    assert np.array_equal(inferencer.visualizer.dataset_meta['palette'], published['palette'])
    assert sorted(path.name for path in (out / 'vis').iterdir()) == ['a.png', 'b.jpg']
    assert len(list((out / 'pred').iterdir())) == 2
    written = np.asarray(Image.open(out / 'vis' / 'a.png'))
    np.testing.assert_array_equal(written, results['visualization'][0])
    # a row: input and prediction
    assert written.shape[1] == 2 * 128


def test_classification_inferencer_and_get_model(photographs, tmp_path):
    # of this process's other tests it may be mmseg's
    init_default_scope('mmpretrain')
    model = get_model(CLASSIFIER, pretrained=CLASSIFIER_WEIGHTS, device='cpu')
    published = torch.load(CLASSIFIER_WEIGHTS, weights_only=True)
    key = 'backbone.stages.0.0.weight'
    assert torch.equal(model.state_dict()[key], published['state_dict'][key])
    names = published['meta']['dataset_meta']['classes']
    assert len(names) == 14 and 'guacamole' in names
    inferencer = ImageClassificationInferencer(CLASSIFIER, CLASSIFIER_WEIGHTS, device='cpu')
    for result in inferencer(photographs, show_dir=str(tmp_path / 'shown')):
        assert result['pred_class'] == names[result['pred_label']]
    assert len(list((tmp_path / 'shown').iterdir())) == 2


@pytest.mark.parametrize('config', ['unet_baseline', 'unet_backbone_frozen'])
def test_mmsegs_browse_dataset(config, moon, tmp_path, monkeypatch):
    own = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'analysis_tools' / 'browse_dataset.py'
    command = [str(own), f'{REPOSITORY}/configs/{config}.py', '--output-dir', str(tmp_path / 'out'), '--not-show']
    monkeypatch.setattr(sys, 'argv', command)
    fresh_process()
    runpy.run_path(str(own), run_name='__main__')
    pictures = sorted((tmp_path / 'out').iterdir())
    assert len(pictures) == 8
    # input and truth side by side
    shown = np.asarray(Image.open(pictures[0]))
    assert shown.shape[1] == 2 * 128 and (shown[-128:, :128] != shown[-128:, 128:]).any()
