"""The detector's parts: what the network sees, windows without a seam, and rocks that COCO's own drawing gives back."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from pycocotools import mask as coco
from small_models import BrightRocks, bright_detector, noise, write_model

from custom_modules.deploy import tiling, torch_model
from custom_modules.deploy.detector import RockDetector, load_predictor
from custom_modules.deploy.rocks import find_rocks
from custom_modules.deploy.tiling import STEPS, Strips, map_of_tiles
from custom_modules.engine.weights import load_model
from custom_modules.preparation.synthetic.renderer import MoonRenderer


@pytest.mark.parametrize('name', ['segmentor', 'several', 'cascade'])
def test_a_segmentor_sees_what_its_own_pipeline_sees(name, tmp_path, monkeypatch):
    if name == 'several':
        # a network that folding would change: the norms of batches would be used
        monkeypatch.setattr(torch_model, 'fuse_conv_bn', torch.nn.Module.train)
    files, scene = write_model(tmp_path, name), tmp_path / 'scene.png'
    cv2.imwrite(str(scene), MoonRenderer(3, (150, 100)).render(2)[0])
    model, detector = load_predictor(*files, device='cpu'), RockDetector(*files, device='cpu')
    found = model(detector.prepare(scene).seen[None])[0]
    # what the config's own pipeline, model and post-processing say of the file
    dataset = model.config.test_dataloader.dataset
    steps = Compose([step for step in dataset.pipeline if 'Annotations' not in step.type])
    loaded = {key: [value] for key, value in steps(dict(img_path=str(scene), load_size=dataset.load_size)).items()}
    with torch.inference_mode():
        (sample,) = load_model(model.config, files[1]).test_step(loaded)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.network.modules()) == (name == 'several')
    raw = sample.seg_logits.data
    expected = (raw if len(raw) == 1 else raw.softmax(0)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert found.std() > 0.01
    # at the model's own size the labels are the library's too
    mask, probability, _ = detector(np.ascontiguousarray(detector.prepare(scene).seen))
    assert (mask == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999
    np.testing.assert_allclose(probability.reshape(expected.shape), expected, atol=5e-5)


@pytest.mark.parametrize('shape', [(64, 64), (65, 200), (150, 97), (20, 300), (1, 1)])
@pytest.mark.parametrize('batch_size', [1, 5, 64])
def test_every_pixel_gets_its_own_probability(shape, batch_size):
    picture, model = noise(*shape), BrightRocks()
    found = map_of_tiles(model, picture, 0.25, batch_size)
    assert found.dtype == np.uint16 and max(model.batches) <= batch_size
    np.testing.assert_allclose(found[0] / STEPS, picture.mean(axis=2) / 255, atol=1.1 / STEPS)


def test_no_seam_where_windows_disagree():
    class Disagreeing(BrightRocks):
        def __call__(self, images):
            values = np.linspace(0, 1, len(images), dtype=np.float32)[:, None, None, None]
            return np.broadcast_to(values, (len(images), 1, 64, 64))

    row = map_of_tiles(Disagreeing(), noise(64, 160), 0.5, 16)[0, 30] / STEPS
    assert row[0] == 0 and row[-1] == 1
    # of 4 windows, each 32 pixels from the next
    assert np.diff(row).min() >= 0 and np.diff(row).max() < 0.012


@pytest.mark.parametrize('size', [(300, 700), (40, 33), (64, 64), (64, 200)])
def test_a_map_is_enlarged_as_opencv_does_it(size):
    found = (np.random.default_rng(0).random((2, 64, 64)) * STEPS).astype(np.uint16)
    rows = [part for _, part in Strips(found, size)]
    assert len(rows) == -(-size[1] // 256)
    for channel, enlarged in zip(found, np.concatenate(rows, axis=1), strict=True):
        expected = cv2.resize(channel.astype(np.float32) / STEPS, size, interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(enlarged, expected, atol=1e-3)


def test_the_mirror_image_is_averaged_and_an_own_threshold_decides(monkeypatch):
    class LeftOnly(BrightRocks):
        def __call__(self, images):
            found = super().__call__(images)
            found[..., 32:] = 0
            return found

    for threshold in (0.4, 0.6):
        found = bright_detector(monkeypatch, LeftOnly(), tta=True, threshold=threshold)(np.full((64, 64, 3), 255, np.uint8))
        np.testing.assert_allclose(found.probability, 0.5, atol=1e-4)
        assert (found.mask == (threshold < 0.5)).all()


@pytest.mark.parametrize('smooth', [True, False])
def test_rocks_are_those_of_opencv_and_cross_strips(monkeypatch, smooth):
    """Islands in holes, holes at the border: area, box, centre and mean as OpenCV's statistics and the enlarged map say, outlines exact."""
    monkeypatch.setattr(tiling, 'STRIP', 7), monkeypatch.setattr(tiling, 'KEPT', 400 * smooth)
    rng = np.random.default_rng(1)
    for _ in range(40):
        values = rng.random(rng.integers(2, 40, 2))
        waves = cv2.GaussianBlur(values, (0, 0), 2)
        labels = ((waves > np.median(waves)) if smooth else (values < rng.uniform(0.2, 0.95))).astype(np.uint8)
        size = labels.shape[::-1]
        found = rng.integers(0, STEPS, (1, 8, 9), dtype=np.uint16)
        probability = np.concatenate([part[0] for _, part in Strips(found, size)])
        count, parts, stats, centres = cv2.connectedComponentsWithStats(labels)
        rocks = find_rocks(labels, Strips(found, size), ('background', 'rock'), tolerance=0)
        order = sorted(range(1, count), key=lambda number: np.flatnonzero(parts == number)[0])
        for rock, number in zip(rocks, order, strict=True):
            assert [*rock.box, rock.area] == stats[number].tolist()
            assert rock.centre == tuple(centres[number].round(2))
            assert abs(rock.probability - probability[parts == number].mean()) < 1e-4
            assert (coco.decode(coco.frPyObjects(rock.polygons, *labels.shape))[..., 0] == (parts == number)).all()
