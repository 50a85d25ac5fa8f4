"""Transforms of one image and its mask, for segmentation."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmengine import fileio
from mmseg.datasets import transforms
from mmseg.registry import TRANSFORMS

from custom_modules.datasets.samples import LoadImageFromFile
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask

TRANSFORMS.register_module(module=LoadImageFromFile, force=True)


@TRANSFORMS.register_module(force=True)
class LoadAnnotations(transforms.LoadAnnotations):
    """mmseg's ``LoadAnnotations``, under the same name, but reading with :func:`custom_modules.utils.images.read_mask`.

    Grey PNG and most palettes give the same labels; files that mmseg would misread are read as they look, or refused.
    """

    def _load_seg_map(self, results: dict) -> None:
        path = results['seg_map_path']
        labels = read_mask(path if self.backend_args is None else fileio.get(path, self.backend_args), str(path))
        if labels.dtype != np.uint8:
            raise UsageError(f'{path} holds values below 0 or above 255: save it with the class index of each pixel.')
        identity = np.arange(256, dtype=np.uint8)
        reduced, mapped = identity.copy(), identity.copy()
        if self.reduce_zero_label is None:
            self.reduce_zero_label = results['reduce_zero_label']
        if self.reduce_zero_label:
            # 0 becomes 255, which is ignored and stays as it is
            reduced[:-1] -= 1
        label_map = results.get('label_map') or {}
        mapped[list(label_map)] = list(label_map.values())
        table = mapped[reduced]
        results['gt_seg_map'] = labels if (table == identity).all() else cv2.LUT(labels, table)
        results['seg_fields'].append('gt_seg_map')


class AffineRanges:
    """Mixin with the parameters of ``RandomAffine`` and ``BatchRandomAffine``.

    Args:
        degree (float): Greatest rotation to either side, in degrees. Defaults to 0.
        translate (float): Greatest shift, as a share of width and height, from 0 to below 1, or a ValueError. Defaults to 0.
        scale (float): Greatest change of size, from 0 to below 1: 0.1 gives 0.9 to 1.1. Defaults to 0.
        pad_val (int): Grey value outside the image, before normalisation. Defaults to 0.
        seg_pad_val (int): Label outside the image. Defaults to 255, which losses and scores ignore.
    """

    def __init__(
        self, degree: float = 0.0, translate: float = 0.0, scale: float = 0.0, pad_val: int = 0, seg_pad_val: int = 255
    ) -> None:
        if not (0 <= translate < 1 and 0 <= scale < 1):
            raise ValueError(f'translate and scale are shares from 0 to below 1, got {translate} and {scale}.')
        self.degree, self.translate, self.scale = degree, translate, scale
        self.pad_val, self.seg_pad_val = pad_val, seg_pad_val


@TRANSFORMS.register_module()
class RandomAffine(AffineRanges, BaseTransform):
    """Rotate, shift and scale image and mask together, about the image's centre, each by a uniformly drawn amount.

    Required keys: img, gt_seg_map (optional). Modified keys: img, gt_seg_map.

    Args:
        prob (float): How often the transform is applied. Defaults to 0.5.
        **ranges: ``degree``, ``translate``, ``scale``, ``pad_val`` and ``seg_pad_val`` of :class:`AffineRanges`.
    """

    def __init__(self, prob: float = 0.5, **ranges) -> None:
        self.prob = prob
        AffineRanges.__init__(self, **ranges)

    def transform(self, results: dict) -> dict:
        """Warp ``img`` (H, W, C) and the masks of ``seg_fields`` (H, W)."""
        size = results['img'].shape[1::-1]
        matrix = self._random_matrix(*size)
        if matrix is None:
            return results
        options = dict(flags=cv2.INTER_LINEAR, borderValue=(self.pad_val,) * 3)
        results['img'] = cv2.warpAffine(results['img'], matrix, size, **options)
        options = dict(flags=cv2.INTER_NEAREST, borderValue=self.seg_pad_val)
        for key in results.get('seg_fields', []):
            results[key] = cv2.warpAffine(results[key], matrix, size, **options)
        return results

    @cache_randomness
    def _random_matrix(self, width: int, height: int) -> np.ndarray | None:
        if np.random.rand() >= self.prob:
            return None
        angle = np.random.uniform(-self.degree, self.degree)
        factor = np.random.uniform(1 - self.scale, 1 + self.scale)
        # OpenCV's coordinates are whole numbers at the centres of pixels
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, factor)
        matrix[:, 2] += np.random.uniform(-self.translate, self.translate, 2) * (width, height)
        return matrix


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blur the image with a Gaussian of random width; mmseg's ``BioMedicalGaussianBlur`` blurs only along the rows of (H, W, C).

    Required keys: img. Modified keys: img.

    Args:
        sigma (float): Greatest standard deviation in pixels, drawn uniformly from 0.1 on. Defaults to 1.5.
        prob (float): How often the transform is applied. Defaults to 1.0.
    """

    def __init__(self, sigma: float = 1.5, prob: float = 1.0) -> None:
        self.sigma, self.prob = sigma, prob

    def transform(self, results: dict) -> dict:
        """Blur ``img`` (H, W, C)."""
        if (sigma := self._random_sigma()) is not None:
            results['img'] = cv2.GaussianBlur(results['img'], (0, 0), sigma)
        return results

    @cache_randomness
    def _random_sigma(self) -> float | None:
        return np.random.uniform(0.1, self.sigma) if np.random.rand() < self.prob else None


@TRANSFORMS.register_module()
class RandomNoise(BaseTransform):
    """Add Gaussian noise of random strength to the image; mmseg's ``BioMedicalGaussianNoise`` wraps around in 8 bit.

    Required keys: img (8 bit). Modified keys: img.

    Args:
        std (float): Greatest standard deviation in grey values, drawn uniformly from 0 on. Defaults to 16.0.
        prob (float): How often the transform is applied. Defaults to 1.0.
    """

    def __init__(self, std: float = 16.0, prob: float = 1.0) -> None:
        self.std, self.prob = std, prob

    def transform(self, results: dict) -> dict:
        """Add noise to ``img`` (H, W, C)."""
        if (noise := self._random_noise(results['img'].shape)) is not None:
            results['img'] = (results['img'] + noise).round().clip(0, 255).astype(np.uint8)
        return results

    @cache_randomness
    def _random_noise(self, shape: tuple[int, ...]) -> np.ndarray | None:
        return np.random.normal(0, np.random.uniform(0, self.std), shape) if np.random.rand() < self.prob else None


@TRANSFORMS.register_module()
class RandomZoom(BaseTransform):
    """Cut a random window out of a pair that was loaded larger than the network's input, and resize it to the input.

    A rock of ten pixels then fills a third of the picture and stays sharp, as a rock close to the camera. With mmseg's
    ``RandomResize`` and ``RandomCrop`` the mask would be shifted by up to half a pixel against the image.

    Required keys: img, gt_seg_map (optional). Modified keys: img, img_shape, ori_shape, gt_seg_map.

    Args:
        size (tuple[int, int]): Width and height of the result in pixels.
        zoom (float): Greatest enlargement of a window, relative to the whole picture at ``size``; log-uniform from 1 on.
            Defaults to 3.
        stretch (float): Greatest ratio of the enlargements of width and height, from 1 on. Defaults to 1.25.
        prob (float): How often a window is cut; else the whole picture is resized. Defaults to 0.75.
    """

    def __init__(self, size: tuple[int, int], zoom: float = 3.0, stretch: float = 1.25, prob: float = 0.75) -> None:
        self.size, self.zoom, self.stretch, self.prob = tuple(size), zoom, stretch, prob

    def transform(self, results: dict) -> dict:
        """Cut a window out of ``img`` (H, W, C) and the masks of ``seg_fields`` (H, W)."""
        window = self._random_window(*results['img'].shape[:2])
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = results[key][window]
        height, width = results['img'].shape[:2]
        enlarged = width < self.size[0] or height < self.size[1]
        return _resized(results, self.size, cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA)

    @cache_randomness
    def _random_window(self, height: int, width: int) -> tuple[slice, slice]:
        if np.random.rand() >= self.prob:
            return slice(0, height), slice(0, width)
        zoom = np.exp(np.random.uniform(0, np.log(self.zoom)))
        stretch = np.exp(np.random.uniform(-1, 1) * np.log(self.stretch) / 2)
        sides = []
        for side, factor in ((height, zoom * stretch), (width, zoom / stretch)):
            length = int(np.clip(round(side / factor), 1, side))
            start = np.random.randint(side - length + 1)
            sides.append(slice(start, start + length))
        return tuple(sides)


@TRANSFORMS.register_module()
class ResizeToLoadSize(BaseTransform):
    """Resize a freshly loaded pair to its data set's ``load_size``: the image by area, the mask by nearest pixel.

    Unlike with mmcv's ``Resize`` the new size becomes the sample's ``ori_shape``, at which mmseg scores. Does nothing without
    ``load_size``, as in mmseg's inferencer.

    Required keys: img, load_size (optional), gt_seg_map (optional). Modified keys: img, img_shape, ori_shape, gt_seg_map.
    """

    def transform(self, results: dict) -> dict:
        """Resize what ``LoadImageFromFile`` and ``LoadAnnotations`` gave."""
        size = results.get('load_size')
        return results if size is None else _resized(results, size, cv2.INTER_AREA)


def _resized(results: dict, size: tuple[int, int], interpolation: int) -> dict:
    results['img'] = cv2.resize(results['img'], size, interpolation=interpolation)
    # EXACT takes the pixel at each cell's centre: INTER_NEAREST takes its corner, half a pixel off the image
    for key in results.get('seg_fields', []):
        results[key] = cv2.resize(results[key], size, interpolation=cv2.INTER_NEAREST_EXACT)
    results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
    return results


@TRANSFORMS.register_module()
class SeededAlbu(transforms.Albu):
    """mmseg's ``Albu``, seeded for each sample from numpy: albumentations 2 draws the same in all workers, whatever the run's seed."""

    def transform(self, results: dict) -> dict:
        """Seed, and transform a sample."""
        self.aug.set_random_seed(int(np.random.randint(2**31)))
        return super().transform(results)
