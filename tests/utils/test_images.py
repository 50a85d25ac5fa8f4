"""The one reader of images and masks."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from pictures import encoded, of_opencv, of_palette, with_turn
from PIL import Image, ImageOps

from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import image_size, read_image, read_mask

RNG = np.random.default_rng(0)
SCENE = cv2.GaussianBlur(RNG.integers(0, 256, (40, 64, 3), dtype=np.uint8), (5, 5), 2)
ROCKS = np.zeros((40, 64), np.uint8)
ROCKS[10:20, 20:50] = 1
GREY = SCENE[..., 0]
OPTIONS = dict(quality=30, subsampling=2), dict(progressive=True), *(dict(exif=with_turn(turn)) for turn in range(1, 9))
ORDINARY = {
    f'{form} {number} {kind}': encoded(pixels, form, **options)
    for form, all_options in (('PNG', [{}]), ('JPEG', OPTIONS))
    for number, options in enumerate(all_options)
    for kind, pixels in (('colour', SCENE), ('grey', GREY), ('odd', SCENE[:33, :51]))
}
WIDE = GREY.astype(np.uint16)
COLOUR = SCENE[..., ::-1].astype(np.uint16)
BLACK, WHITE, RED, GREEN = [0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0]


@pytest.mark.parametrize('name', ORDINARY)
def test_ordinary_files_give_the_pixels_of_opencv(name):
    data = ORDINARY[name]
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read_image(data, order='BGR'), expected)
    np.testing.assert_array_equal(read_image(data)[..., ::-1], expected)


@pytest.mark.parametrize('form', ['PNG', 'TIFF', 'WEBP', 'JPEG'])
@pytest.mark.parametrize('turn', range(1, 9))
def test_images_and_masks_are_turned_alike(form, turn, tmp_path):
    data = encoded(SCENE, form, exif=with_turn(turn), **dict(lossless=True) if form == 'WEBP' else {})
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    image = read_image(data)
    np.testing.assert_array_equal(image.shape[1::-1], upright.size)
    assert np.abs(image.astype(int) - np.asarray(upright)).mean() < 2
    path = tmp_path / 'a'
    path.write_bytes(data)
    assert image_size(path) == upright.size
    path.write_bytes(data[:-12])
    if form == 'PNG':
        with pytest.raises(UsageError, match='cut short'):
            image_size(path)
    if form in ('PNG', 'TIFF'):
        data = encoded(ROCKS, form, exif=with_turn(turn))
        upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
        np.testing.assert_array_equal(read_mask(data), np.asarray(upright))


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (of_opencv(WIDE, '.png'), GREY),
        (of_opencv(COLOUR * 16, '.png'), SCENE),
        (of_opencv(np.dstack([COLOUR * 16, WIDE | 65535]), '.png'), SCENE),
        (of_opencv(COLOUR * 257), SCENE),
        (of_opencv(WIDE.astype(np.int32) * 16), GREY),
        (of_opencv(np.where(GREY.max() > GREY, GREY / 255, 1.02).astype(np.float32)), np.where(GREY.max() > GREY, GREY, 255)),
        (of_opencv(GREY.astype(np.float32)), GREY),
        (of_opencv((SCENE[..., ::-1] / 255).astype(np.float32)), SCENE),
        (encoded(Image.fromarray(GREY).convert('P')), GREY),
        (encoded(GREY, exif=b'Exif\0\0II*\0'), GREY),
        (encoded(Image.fromarray(GREY > 99)), (GREY > 99) * np.uint8(255)),
        # transparency is dropped
        (encoded(Image.new('RGBA', (4, 4), (9, 8, 7, 0))), np.full((4, 4, 3), (9, 8, 7))),
    ],
)
def test_images_of_every_kind_look_as_they_are_seen(data, expected):
    expected = expected if expected.ndim == 3 else np.stack([expected] * 3, axis=2)
    np.testing.assert_array_equal(read_image(data), expected)


def test_cmyk_is_read_in_its_colours():
    data = encoded(Image.new('CMYK', (16, 16), (55, 215, 165, 0)), 'JPEG', quality=100)
    assert np.abs(read_image(data)[8, 8].astype(int) - (200, 40, 90)).max() < 4


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (encoded(Image.fromarray(ROCKS > 0)), ROCKS),
        (of_opencv(ROCKS.astype(np.uint16) * 300, '.png'), ROCKS.astype(np.int32) * 300),
        # grey with three channels, and with an even transparency
        (encoded(np.stack([ROCKS * 255] * 3, axis=2)), ROCKS * 255),
        (encoded(Image.fromarray(ROCKS * 255).convert('LA')), ROCKS * 255),
        (of_opencv(np.stack([ROCKS.astype(np.uint16)] * 3, axis=2), '.png'), ROCKS),
        (encoded(np.stack([ROCKS * 255] * 4, axis=2)), ROCKS * 255),
        # a palette colours the indices
        (of_palette(ROCKS * 2, [GREEN, BLACK, RED]), ROCKS * 2),
        (of_palette(ROCKS, [BLACK, WHITE]), ROCKS),
        # black and white in another order: what is seen
        (of_palette(ROCKS * 7, [BLACK] * 7 + [WHITE]), ROCKS * 255),
    ],
)
def test_masks_of_every_kind_hold_what_they_show(data, expected):
    found = read_mask(data)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
