import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.segmentation import find_boundaries

SHARE_OF_DIAGONAL = 0.0075


def boundary_tolerance(shape: tuple[int, int]) -> float:
    """Give the usual tolerance: 0.75 % of the image's diagonal, at least one pixel.

    Args:
        shape (tuple[int, int]): Height and width.
    """
    return max(1.0, SHARE_OF_DIAGONAL * float(np.hypot(*shape)))


def boundary_f1(
    truth: np.ndarray,
    predicted: np.ndarray,
    tolerance: float | None = None,
    ignored: np.ndarray | None = None,
) -> float:
    """Score the outline of a class: F1 of the boundary pixels that lie near the other mask's boundary.

    As in `What is a good evaluation measure for semantic segmentation? <https://doi.org/10.5244/C.27.32>`_ (Csurka et al.,
    BMVC 2013). A boundary is the outermost pixels of an object; where it leaves the image it has none.

    Args:
        truth (np.ndarray): Where the class is (H, W), bool.
        predicted (np.ndarray): Where it is predicted (H, W), bool.
        tolerance (float, optional): Distance in pixels, between pixel centres, that counts as near; of
            :func:`boundary_tolerance` by default.
        ignored (np.ndarray, optional): Pixels without a class (H, W), bool: boundaries in and beside them do not count.

    Returns:
        float: Percent; 0 if one mask alone has a boundary, nan if none has.

    Example:
        >>> square = np.zeros((9, 9), bool)
        >>> square[2:6, 2:6] = True
        >>> boundary_f1(square, np.roll(square, 1, axis=1)), boundary_f1(square, ~square & False)
        (100.0, 0.0)
    """
    if tolerance is None:
        tolerance = boundary_tolerance(truth.shape)
    lines = [find_boundaries(mask, connectivity=1, mode='inner') for mask in (truth, predicted)]
    if ignored is not None and ignored.any():
        beside = binary_dilation(ignored)
        lines = [line & ~beside for line in lines]
    if not any(line.any() for line in lines):
        return float('nan')
    if not all(line.any() for line in lines):
        return 0.0
    real, drawn = lines
    recall = (distance_transform_edt(~drawn)[real] <= tolerance).mean()
    precision = (distance_transform_edt(~real)[drawn] <= tolerance).mean()
    return float(200 * precision * recall / (precision + recall)) if precision + recall else 0.0
