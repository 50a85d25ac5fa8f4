"""A run's visualizer, log processor, and hook that draws samples."""

from pathlib import Path

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, LOG_PROCESSORS
from mmengine.runner import LogProcessor
from mmengine.structures import BaseDataElement, PixelData
from mmengine.visualization import LocalVisBackend
from mmseg.registry import VISUALIZERS
from mmseg.visualization import SegLocalVisualizer

from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image
from custom_modules.visualization.drawing import overlay, scaled_image, write_picture


@LOG_PROCESSORS.register_module()
class ScoreLogProcessor(LogProcessor):
    """mmengine's ``LogProcessor`` with the last validation ``score``, ``'rock_Dice'`` by default, in each training line.

    Validation losses are logged as they are, and training losses as means within an epoch, while mmengine averages all that has
    "loss" in its name over ten steps or validations, whatever the epoch.
    """

    def __init__(self, score: str = 'rock_Dice', **kwargs) -> None:
        kwargs.setdefault('mean_pattern', r'^(?!val[_/]).*(loss|time|grad_norm).*')
        super().__init__(**kwargs)
        self.score, self._window = score, self.window_size

    def get_log_after_iter(self, runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        """Return the scalars of an iteration, and its line in the log."""
        self.window_size = min(self._window, batch_idx + 1)
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        history = runner.message_hub.log_scalars.get(f'val/{self.score}')
        if mode == 'train' and history is not None:
            line += f'  val {self.score}: {history.current():.2f}'
        return tag, line


@VISUALIZERS.register_module()
class PanelVisualizer(SegLocalVisualizer):
    """mmseg's ``SegLocalVisualizer`` with a sample as one row, input | truth | prediction, at the image's resolution."""

    @classmethod
    def get_instance(cls, name: str = 'visualizer', **kwargs) -> 'PanelVisualizer':
        """Return the instance of a name, which has a default here since mmseg's ``browse_dataset.py`` gives none."""
        return super().get_instance(name, **kwargs)

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
        """Draw a sample (arguments as in mmseg), and save it to ``out_file`` or else pass it to the backends."""
        cells = [_captioned(image, 'input')]
        for wanted, key, caption in ((draw_gt, 'gt_sem_seg', 'truth'), (draw_pred, 'pred_sem_seg', 'prediction')):
            if wanted and data_sample is not None and key in data_sample:
                # tensors, or the arrays of mmseg's browse_dataset.py
                labels = data_sample.get(key).cpu().numpy().data.squeeze().astype(np.uint8)
                labels = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
                cells.append(_captioned(overlay(image, labels, self.dataset_meta['palette'], self.alpha), caption))
        panel = np.concatenate(cells, axis=1)
        # the libraries' inferencers call get_image
        self.set_image(panel)
        if show:
            self.show(panel, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_picture(panel, out_file)
        else:
            self.add_image(name, panel, step)


def _captioned(image: np.ndarray, caption: str) -> np.ndarray:
    scale = max(image.shape[0] / 480, 0.3)
    strip = np.full((round(28 * scale), image.shape[1], 3), 255, np.uint8)
    where, font = (round(6 * scale), round(20 * scale)), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, caption, where, font, 0.65 * scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, image], axis=0)


@HOOKS.register_module()
class FixedSamplesHook(Hook):
    """Draw the predictions of the same validation images every few epochs (mmseg's ``SegVisualizationHook`` draws others).

    They go to ``<work_dir>/<timestamp>/vis_data/fixed_samples/<index>_<image>_epoch_<epoch>.png``, and to TensorBoard and the
    trackers under one tag per image. The hook draws a process's first validation, those that complete ``interval`` epochs, and
    the last one; of several processes the main one draws those images that it validates itself.

    Args:
        interval (int): Epochs from one picture to the next. Defaults to 5.
        count (int): Number of images, evenly spaced over the validation set; 0 draws nothing. Defaults to 4.
        indices (list[int], optional): Indices of the images in the validation set instead of ``count``.
        width (int): Greatest width of a cell in pixels; larger images are scaled down. Defaults to 320.

    Raises:
        UsageError: If interval or width is less than 1, or the validation set has no image at an index.
    """

    def __init__(self, interval: int = 5, count: int = 4, indices: list[int] | None = None, width: int = 320) -> None:
        for name, value in dict(interval=interval, width=width).items():
            if value < 1:
                raise UsageError(f'{name} of FixedSamplesHook must be at least 1, got {value}.')
        self.interval, self.count, self.indices, self.width = interval, count, indices, width
        self._names = {}

    def before_train(self, runner) -> None:
        """Choose the images."""
        self._names, self._samples = {}, {}
        self._validated = self._drawn = None  # epochs
        if runner.val_loop is None:
            return
        dataset = runner.val_dataloader.dataset
        for index in self._chosen_indices(len(dataset)):
            path = dataset.get_data_info(index)['img_path']
            # with the index, since images of several folders may share names
            self._names.setdefault(path, f'{index:04d}_{Path(path).stem}')

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Keep the predictions of the chosen images."""
        for sample in outputs or ():
            path = sample.get('img_path')
            if path in self._names:
                # without the logits of all classes, which are large
                self._samples[path] = BaseDataElement()
                for key in ('gt_sem_seg', 'pred_sem_seg'):
                    if key in sample:
                        data = sample.get(key).data.detach().to('cpu', copy=True)
                        self._samples[path].set_field(PixelData(data=data), key)

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the predictions if an interval is complete."""
        if not self._names:
            return
        before, self._validated = self._validated, runner.epoch
        if before is None or self._validated // self.interval > before // self.interval:
            self._draw(runner)

    def after_train(self, runner) -> None:
        """Draw the last validation, of which one only knows now that it was the last."""
        if self._validated != self._drawn:
            self._draw(runner)
        self._names = {}  # later validations belong to no epoch

    def _chosen_indices(self, size: int) -> list[int]:
        if self.indices is None:
            return np.linspace(0, size - 1, min(self.count, size)).round().astype(int).tolist()
        for index in self.indices:
            if not 0 <= index < size:
                raise UsageError(
                    f'FixedSamplesHook shall draw the validation image {index}, but there are {size}: '
                    f'choose indices from 0 to {size - 1}.'
                )
        return self.indices

    def _draw(self, runner) -> None:
        self._drawn = self._validated
        if not is_main_process():
            return
        folder = Path(runner.log_dir) / 'vis_data' / 'fixed_samples'
        for path, sample in self._samples.items():
            name = self._names[path]
            file = folder / f'{name}_epoch_{self._drawn:03d}.png'
            runner.visualizer.add_datasample(name, scaled_image(path, self.width), sample, out_file=str(file))
            # read back, since mmseg's visualizers either write a picture or pass it to the backends
            panel = read_image(file)
            for backend in runner.visualizer._vis_backends.values():
                # the file is local already, and LocalVisBackend's names do not sort by epoch
                if not isinstance(backend, LocalVisBackend):
                    # MLflow needs the extension, since it writes a file
                    backend.add_image(f'{folder.name}/{name}.png', panel, self._drawn)
