"""Image and mask move together, and what comes from outside is no class."""

import cv2
import numpy as np
import pytest

from custom_modules.datasets.transforms import RandomAffine, RandomNoise, RandomZoom


def sample(size=(48, 64)) -> dict:
    mask = np.zeros(size, np.uint8)
    mask[10:20, 30:50] = 1
    image = np.repeat(mask[..., None] * 200, 3, axis=2)
    return dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'])


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)


def test_affine_moves_image_and_mask_alike():
    transform = RandomAffine(prob=1.0, degree=45, translate=0.1, scale=0.1, pad_val=77)
    moved = 0
    for _ in range(20):
        result = transform.transform(sample())
        image, mask = result['img'][..., 0], result['gt_seg_map']
        assert set(np.unique(mask)) <= {0, 1, 255}
        inside = mask != 255
        # linear against nearest: they may differ by half a pixel along the edges
        wrong = (image[inside] > 100) != (mask[inside] == 1)
        assert wrong.mean() < 0.02
        moved += not np.array_equal(mask, sample()['gt_seg_map'])
    assert moved == 20
    sizes = [np.sum(RandomAffine(prob=1.0, scale=0.5).transform(sample())['gt_seg_map'] == 1) for _ in range(10)]
    assert min(sizes) < 200 < max(sizes)
    still = RandomAffine(prob=1.0).transform(sample())
    for name in ('img', 'gt_seg_map'):
        np.testing.assert_array_equal(still[name], sample()[name])
    with pytest.raises(ValueError, match='shares from 0 to below 1, got 10'):
        RandomAffine(translate=10)


def test_shift_pads_image_and_mask():
    result = RandomAffine(prob=1.0, translate=0.5, pad_val=7).transform(sample())
    outside = result['gt_seg_map'] == 255
    assert 0 < outside.mean() < 1
    # linear interpolation blends along the border's edge
    beyond = cv2.erode(outside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    assert beyond.any() and np.abs(result['img'][beyond].astype(int) - 7).max() <= 1


def test_noise_stays_within_8_bit():
    """Noise on black must not wrap around to white."""
    black = dict(img=np.zeros((64, 64, 3), np.uint8))
    result = RandomNoise(std=20.0).transform(black)['img']
    assert result.dtype == np.uint8
    assert 0 < result.max() < 120 and (result == 0).mean() > 0.4


def test_albumentations_obeys_the_seed():
    """Its own generator is made before the workers are: they would all draw the same."""
    pytest.importorskip('albumentations')
    from custom_modules.datasets.transforms import SeededAlbu

    def draw(seed: int) -> list[bytes]:
        transform = SeededAlbu(transforms=[dict(type='Affine', rotate=(-45, 45), p=1.0)])
        np.random.seed(seed)
        return [transform.transform(sample())['img'].tobytes() for _ in range(3)]

    assert draw(1) == draw(1) != draw(2)
    assert len(set(draw(1))) == 3


def test_zoom_keeps_mask_on_image():
    transform = RandomZoom((32, 24), zoom=4.0, prob=1.0)
    shares = set()
    for _ in range(40):
        result = transform.transform(sample())
        image, mask = result['img'][..., 0], result['gt_seg_map']
        assert image.shape == mask.shape == result['ori_shape'] == (24, 32)
        assert set(np.unique(mask)) <= {0, 1}
        # half covered pixels may fall either way
        assert ((image > 150) & (mask == 0)).sum() <= 2 and ((image < 50) & (mask == 1)).sum() <= 2
        shares.add(round(float(mask.mean()), 2))
    assert max(shares) > 0.3 and len(shares) > 5
