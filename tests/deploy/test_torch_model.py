"""A checkpoint gives the same here as through its own library's pipeline."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from PIL import Image
from small_models import CONFIGS, write_model

from custom_modules.deploy.detector import RockDetector, load_model
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError


@pytest.fixture(scope='module')
def models(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp('models')
    return {name: write_model(folder, name, repository) for name in CONFIGS}


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp('scene') / 'scene.png'
    cv2.imwrite(str(path), MoonRenderer(3, (150, 100)).render(2)[0])
    return path


def by_the_library(model, path):
    """What the config's own pipeline, model and post-processing say of a file."""
    dataset = model.config.test_dataloader.dataset
    steps = [step for step in dataset.pipeline if 'Annotations' not in step.type]
    sample = Compose(steps)(dict(img_path=str(path), load_size=dataset.get('load_size')))
    batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    with torch.inference_mode():
        return model.network.model.test_step(batch)[0]


@pytest.mark.parametrize('name', ['segmentor', 'several'])
def test_a_segmentor_sees_what_its_own_pipeline_sees(models, scene, name):
    model = load_model(*models[name], device='cpu')
    detector = RockDetector(*models[name], device='cpu')
    found = model(detector.prepare(scene).seen[None])[0]
    sample = by_the_library(model, scene)
    raw = sample.seg_logits.data
    expected = (raw if len(raw) == 1 else raw.softmax(0)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert found.std() > 0.01
    # at the model's own size the labels are the library's too
    mask, probability, _ = detector(np.ascontiguousarray(detector.prepare(scene).seen))
    assert (mask == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999
    np.testing.assert_allclose(probability.reshape(expected.shape), expected, atol=5e-5)


def test_a_classifier_sees_what_its_own_pipeline_sees(models, scene):
    model = load_model(*models['classifier'], device='cpu')
    image = cv2.resize(np.asarray(Image.open(scene)), model.card.size)
    sized = scene.with_name('sized.png')
    Image.fromarray(image).save(sized)
    expected = by_the_library(model, sized).pred_score.numpy()
    np.testing.assert_allclose(model(image[None])[0], expected, atol=1e-5)
    assert expected.std() > 1e-3
    with pytest.raises(UsageError, match='is a classifier'):
        RockDetector(*models['classifier'], device='cpu')


@pytest.mark.parametrize(
    ('size', 'overlap', 'stride', 'least'),
    [((192, 128), 0.0, 64, 0.9999), ((160, 112), 0.25, 48, 0.9)],
)
def test_tiles_are_what_mmseg_slides_over(models, size, overlap, stride, least):
    """The same windows; mmseg averages where they overlap, without weights that hide a seam."""
    scene = MoonRenderer(4, size).render(1)[0]
    detector = RockDetector(
        *models['segmentor'], mode='tile', scale=1, overlap=overlap, device='cpu'
    )
    model = load_model(*models['segmentor'], device='cpu').network.model
    model.test_cfg = ConfigDict(mode='slide', crop_size=(64, 64), stride=(stride, stride))
    mask = detector(np.ascontiguousarray(scene[:, :, ::-1])).mask
    with torch.inference_mode():
        (sample,) = model.test_step(dict(inputs=[torch.from_numpy(scene.copy()).permute(2, 0, 1)]))
    assert (mask == sample.pred_sem_seg.data[0].numpy()).mean() > least
    assert 0.01 < mask.mean() < 0.99
