"""What the libraries offer works with this project's configs and published weights, through their own functions."""

import runpy
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from conftest import REPOSITORY, fresh_process
from mmengine.registry import init_default_scope
from mmpretrain import ImageClassificationInferencer, get_model
from mmseg.apis import MMSegInferencer, inference_model, init_model, show_result_pyplot
from PIL import Image

CONFIG = str(REPOSITORY / 'configs' / 'rock_detector_synthetic.py')
WEIGHTS = str(REPOSITORY / 'checkpoints' / 'rock_detector_synthetic.pth')
CLASSIFIER = str(REPOSITORY / 'configs' / 'classifier_14_classes.py')
CLASSIFIER_WEIGHTS = str(REPOSITORY / 'checkpoints' / 'moon_net_tiny_imagenet_14.pth')


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
    results = inferencer(photographs, show_dir=str(tmp_path / 'shown'))
    for result in results:
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
