import cv2
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeToLoadSize(BaseTransform):
    """Resize a freshly loaded pair to its data set's ``load_size``: the image by area, the mask by nearest pixel.

    Unlike mmcv's ``Resize`` this makes the new size the sample's ``ori_shape``, at which mmseg scores, and
    it takes the mask's pixel at each cell's centre (OpenCV's plain nearest neighbour takes the corner,
    which shifts a mask by up to half a pixel against its image). Without a ``load_size``, as in
    mmseg's inferencer, it does nothing.

    Required keys: img, load_size (optional), gt_seg_map (optional). Modified keys: img, img_shape, ori_shape, gt_seg_map.
    """

    def transform(self, results: dict) -> dict:
        """Resize.

        Args:
            results (dict): What ``LoadImageFromFile`` and ``LoadAnnotations`` gave.

        Returns:
            dict: The same with resized image and mask.
        """
        size = results.get('load_size')
        if size is None:
            return results
        results['img'] = cv2.resize(results['img'], size, interpolation=cv2.INTER_AREA)
        for key in results.get('seg_fields', []):
            results[key] = cv2.resize(results[key], size, interpolation=cv2.INTER_NEAREST_EXACT)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results
