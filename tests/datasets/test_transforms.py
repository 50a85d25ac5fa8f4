"""Image and mask move together, and what comes from outside is no class."""

import numpy as np
import pytest

from custom_modules.datasets.transforms import RandomAffine, RandomNoise, RandomZoom


def sample(size=(48, 64)) -> dict:
    mask = np.zeros(size, np.uint8)
    mask[10:20, 30:50] = 1
    return dict(img=np.repeat(mask[..., None] * 200, 3, axis=2), gt_seg_map=mask, seg_fields=['gt_seg_map'])


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)


def test_affine_has_its_size_from_its_range():
    """That image and mask move alike is in tests/models/test_batch_augmentation.py."""
    sizes = [np.sum(RandomAffine(prob=1.0, scale=0.5).transform(sample())['gt_seg_map'] == 1) for _ in range(10)]
    assert min(sizes) < 200 < max(sizes)


def test_noise_stays_within_8_bit():
    """Noise on black must not wrap around to white."""
    result = RandomNoise(std=20.0).transform(dict(img=np.zeros((64, 64, 3), np.uint8)))['img']
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

    assert draw(1) == draw(1) != draw(2) and len(set(draw(1))) == 3


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
