"""The published weights are what their cards say, and work in the configs and through what the libraries offer."""

import hashlib
import re

import cv2
import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain import ImageClassificationInferencer
from mmseg.apis import MMSegInferencer, inference_model, init_model
from pictures import load
from sklearn.metrics import f1_score

from custom_modules.evaluation.exported import OnnxModel
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.preparation.synthetic.dataset import SyntheticSet

CHECKPOINTS = sorted((REPOSITORY / 'checkpoints').glob('*.pth'))
CONFIG = str(REPOSITORY / 'configs' / 'rock_detector_synthetic.py')
WEIGHTS = str(REPOSITORY / 'checkpoints' / 'rock_detector_synthetic.pth')
CLASSIFIER = str(REPOSITORY / 'configs' / 'classifier_14_classes.py')
PHOTOGRAPHS = [str(REPOSITORY / 'docs' / 'demo' / f'scene{i}.jpg') for i in (1, 2)]
CLASSIFIER_WEIGHTS = str(REPOSITORY / 'checkpoints' / 'moon_net_tiny_imagenet_14.pth')


@pytest.mark.parametrize('path', CHECKPOINTS, ids=lambda p: p.stem)
def test_weights_and_names_of_classes_alone_with_a_card_of_hash_and_origin(path):
    assert path.stat().st_size <= 12 * 2**20
    assert sum(each.stat().st_size for each in CHECKPOINTS) <= 40 * 2**20
    card = path.with_suffix('.md').read_text()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for words in (digest, 'tools/train.py', 'epochs', 'seed', 'Licence', 'Score'):
        assert words in card, words
    loaded = torch.load(path, map_location='cpu', weights_only=True)
    assert list(loaded) == ['state_dict', 'meta'] and list(loaded['meta']) == ['dataset_meta']
    state, classes = loaded['state_dict'], loaded['meta']['dataset_meta']['classes']
    (bias,) = (state[key] for key in ('head.fc.bias', 'decode_head.conv_seg.bias') if key in state)
    # one channel of a segmentor is for two classes
    assert len(classes) == max(len(bias), 2) and all(isinstance(name, str) for name in classes)
    assert all(t.isfinite().all() for t in state.values())


def test_exported_files_are_of_the_published_weights_and_agree():
    pytest.importorskip('onnxruntime')
    weights = REPOSITORY / 'checkpoints' / 'rock_detector_mobile.pth'
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    models = [OnnxModel(weights.with_name(f'{weights.stem}{kind}.onnx')) for kind in ('', '_int8')]
    assert all(digest in m.card.source and 'CC BY-NC-SA 4.0' in m.card.licence for m in models)
    images = np.stack([cv2.resize(load(photo), models[0].card.size) for photo in PHOTOGRAPHS])
    labels = [model.card.labels(model(images)) for model in models]
    assert labels[0].any() and (labels[0] == labels[1]).mean() > 0.99, 'sums overflow on this processor'


@pytest.mark.parametrize(
    ('name', 'least'), [('rock_detector_synthetic', 0.6), ('rock_detector', 0.5), ('rock_detector_mobile', 0.5)]
)
def test_the_detectors_find_rocks_in_scenes_that_they_have_not_seen(name, least, tmp_path):
    SyntheticSet(tmp_path, 12, (421, 280), seed=77, style='mixed').make(workers=1)
    cfg = Config.fromfile(REPOSITORY / 'configs' / f'{name}.py')
    cfg.test_dataloader.dataset.update(data_root=str(tmp_path), split='all')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    predictions = list(CheckpointPredictions(cfg, str(REPOSITORY / 'checkpoints' / f'{name}.pth')))
    truth, found = (np.stack([getattr(each, part) for each in predictions]) for part in ('truth', 'predicted'))
    assert f1_score(truth.ravel(), found.ravel()) > least


# coloured patches from broad to fine, and what each classifier saw in them on the day it was published
RNG = np.random.default_rng(0)
TEXTURES = [cv2.resize(RNG.integers(0, 256, (n, n, 3), np.uint8), (128, 128)) for n in (2, 4, 8, 16) * 6]
SEEN = {
    'moon_net_tiny_imagenet_14': '0 0 0 0 0 0 10 10 10 0 10 10 0 0 10 10 0 0 10 10 0 0 0 10',
    'moon_net_tiny_imagenet_200': '42 13 59 59 13 13 59 59 37 152 59 59 13 109 59 59 37 13 59 59 13 102 59 59',
    'narrow_resnet_tiny_imagenet_10': '0 0 7 7 0 0 7 7 7 0 7 7 0 0 7 7 0 0 7 7 0 0 0 7',
    'simple_net_tiny_imagenet_4': '3 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
}


@pytest.mark.parametrize('name', SEEN)
def test_classifiers_see_what_they_saw(name):
    """Other normalisation, another channel order or another network would see something else."""
    path = REPOSITORY / 'checkpoints' / f'{name}.pth'
    cfg = Config.fromfile(REPOSITORY / re.search(r'tools/train.py (configs/\S+\.py)', path.with_suffix('.md').read_text())[1])
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(path, weights_only=True)['state_dict'])
    inputs = model.data_preprocessor(dict(inputs=[torch.from_numpy(picture).permute(2, 0, 1) for picture in TEXTURES]))['inputs']
    with torch.no_grad():
        labels, swapped = (model.head(model.extract_feat(given)).argmax(1) for given in (inputs, inputs.flip(1)))
    agree, other = (np.mean(found.numpy() == np.array(SEEN[name].split(), int)) for found in (labels, swapped))
    # two close scores may change places where sums are rounded otherwise
    assert agree > 0.85 and other < agree, labels.tolist()


def test_mmsegs_inferencer_and_model(tmp_path):
    """Masks and pictures are written, also to folders that are not there, and what is returned is what was drawn."""
    inferencer = MMSegInferencer(CONFIG, WEIGHTS, device='cpu', show_progress=False)
    out = tmp_path / 'out'
    results = inferencer(PHOTOGRAPHS, out_dir=str(out), return_vis=True)
    sizes = [load(path).shape[:2] for path in PHOTOGRAPHS]
    assert [mask.shape for mask in results['predictions']] == sizes
    published = torch.load(WEIGHTS, weights_only=True)['meta']['dataset_meta']
    assert inferencer.visualizer.dataset_meta['classes'][1] == published['classes'][1] == 'rock'
    assert np.array_equal(inferencer.visualizer.dataset_meta['palette'], published['palette'])
    assert len(list((out / 'pred').iterdir())) == len(list((out / 'vis').iterdir())) == 2
    # a row: input and prediction
    shown = results['visualization'][0]
    assert shown.shape[1] == 2 * sizes[0][1] and abs(shown - load(out / 'vis' / 'scene1.jpg').astype(int)).mean() < 3
    # from pixels in memory, which are BGR
    found = inference_model(init_model(CONFIG, WEIGHTS, device='cpu'), load(PHOTOGRAPHS[0])[..., ::-1].copy())
    assert (found.pred_sem_seg.data[0].numpy() == results['predictions'][0]).mean() > 0.999


def test_mmpretrains_inferencer():
    # of this process's other tests it may be mmseg's
    init_default_scope('mmpretrain')
    names = torch.load(CLASSIFIER_WEIGHTS, weights_only=True)['meta']['dataset_meta']['classes']
    assert len(names) == 14 and 'guacamole' in names
    for result in ImageClassificationInferencer(CLASSIFIER, CLASSIFIER_WEIGHTS, device='cpu')(PHOTOGRAPHS):
        assert result['pred_class'] == names[result['pred_label']]
