"""Loading images through the one reader, for both libraries."""

import numpy as np
from mmcv import transforms
from mmengine import fileio

from custom_modules.utils.images import read_image


class LoadImageFromFile(transforms.LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` that reads what :func:`custom_modules.utils.images.read_image` reads.

    It takes its name, so that configs, both libraries' inferencers and people's own pipelines use it as they are. 8-bit RGB
    and grey PNG and JPEG files give the same pixels. Others do not: 12 bits in a 16-bit file, floating-point TIFF or a
    transparent image become what they look like. Where other options of mmcv than its own defaults are set, mmcv reads.

    Args:
        *args, **kwargs: Of mmcv's ``LoadImageFromFile``.
    """

    def transform(self, results: dict) -> dict | None:
        """Load an image.

        Args:
            results (dict): With ``img_path``.

        Returns:
            dict, optional: The same with ``img`` (H, W, 3), uint8, BGR, ``img_shape`` and ``ori_shape``; None for an unreadable
            file with ``ignore_empty``.

        Raises:
            UsageError: If the file cannot be read; the sentence names it.
        """
        if (self.color_type, self.imdecode_backend, self.file_client_args) != (
            'color',
            'cv2',
            None,
        ):
            return super().transform(results)
        path = results['img_path']
        try:
            data = path if self.backend_args is None else fileio.get(path, self.backend_args)
            image = read_image(data, str(path), 'BGR')
        except Exception:
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results
