import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomZoom(BaseTransform):
    """Cut a random window out of a pair that was loaded larger than the network's input, and scale it to that.

    A rock of ten pixels then fills a third of a picture, sharply, as stones do that stand before the camera. mmseg's
    ``RandomResize`` and ``RandomCrop`` do the like, but shift the mask by up to half a pixel against the image.

    Required keys: img, gt_seg_map (optional). Modified keys: img, img_shape, ori_shape, gt_seg_map.

    Args:
        size (tuple[int, int]): Width and height of the result in pixels.
        zoom (float): How much a window is enlarged at most, with respect to the whole picture at ``size``. Drawn evenly
            on a logarithmic scale from 1 on. Defaults to 3.
        stretch (float): How much width and height may differ in that, as a factor. Defaults to 1.25.
        prob (float): How often there is a window; else the whole picture is scaled. Defaults to 0.75.

    Raises:
        ValueError: If ``zoom`` or ``stretch`` is below 1.
    """

    def __init__(
        self,
        size: tuple[int, int],
        zoom: float = 3.0,
        stretch: float = 1.25,
        prob: float = 0.75,
    ) -> None:
        if min(zoom, stretch) < 1:
            raise ValueError(f'zoom and stretch are factors from 1 on, got {zoom} and {stretch}.')
        self.size, self.zoom, self.stretch, self.prob = tuple(size), zoom, stretch, prob

    def transform(self, results: dict) -> dict:
        """Transform a sample.

        Args:
            results (dict): With ``img`` (H, W, C) and the masks of ``seg_fields`` (H, W).

        Returns:
            dict: The same with a window of image and masks.
        """
        window = self._random_window(*results['img'].shape[:2])
        image = results['img'][window]
        enlarged = image.shape[1] < self.size[0] or image.shape[0] < self.size[1]
        results['img'] = cv2.resize(
            image, self.size, interpolation=cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
        )
        for key in results.get('seg_fields', []):
            results[key] = cv2.resize(
                results[key][window], self.size, interpolation=cv2.INTER_NEAREST_EXACT
            )
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

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
