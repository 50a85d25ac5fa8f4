import cv2
import numpy as np
from mmengine.structures import PixelData
from mmseg.registry import VISUALIZERS
from mmseg.visualization import SegLocalVisualizer

from .overlay import overlay


@VISUALIZERS.register_module()
class PanelVisualizer(SegLocalVisualizer):
    """Draws a sample as one row: input | truth | prediction.

    Masks lie half-transparent over the image, at the image's own resolution even where the model worked on a
    smaller one. Arguments are mmseg's ``SegLocalVisualizer``'s.
    """

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample=None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        **kwargs,
    ) -> None:
        """Draw one sample and hand it to the backends, or save it to ``out_file``.

        Args:
            name (str): The image's identifier.
            image (np.ndarray): RGB image (H, W, 3).
            data_sample (SegDataSample, optional): With ``gt_sem_seg`` and ``pred_sem_seg``.
            draw_gt (bool): Whether to draw the truth.
            draw_pred (bool): Whether to draw the prediction.
            show (bool): Whether to open a window.
            wait_time (float): Seconds that the window stays.
            out_file (str, optional): File to write instead of the backends.
            step (int): The backends' step.
            **kwargs: Unused; mmseg's hook may hand over more.
        """
        cells = [_captioned(image, 'input')]
        for wanted, key, caption in (
            (draw_gt, 'gt_sem_seg', 'truth'),
            (draw_pred, 'pred_sem_seg', 'prediction'),
        ):
            if wanted and data_sample is not None and key in data_sample:
                cells.append(_captioned(self._overlay(image, data_sample.get(key)), caption))
        panel = np.concatenate(cells, axis=1)
        if show:
            self.show(panel, win_name=name, wait_time=wait_time)
        if out_file is not None:
            cv2.imwrite(str(out_file), panel[..., ::-1])
        else:
            self.add_image(name, panel, step)

    def _overlay(self, image: np.ndarray, segmentation: PixelData) -> np.ndarray:
        labels = segmentation.data.squeeze().cpu().numpy().astype(np.uint8)
        size = image.shape[1::-1]
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return overlay(image, labels, self.dataset_meta['palette'], self.alpha)


def _captioned(image: np.ndarray, caption: str) -> np.ndarray:
    scale = max(image.shape[0] / 480, 0.3)
    height = round(28 * scale)
    strip = np.full((height, image.shape[1], 3), 255, np.uint8)
    where = (round(6 * scale), round(20 * scale))
    cv2.putText(
        strip, caption, where, cv2.FONT_HERSHEY_SIMPLEX, 0.65 * scale, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.concatenate([strip, image], axis=0)
