from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.structures import BaseDataElement, PixelData

from custom_modules.usage_error import UsageError
from custom_modules.visualization.draw_sample import draw_sample
from custom_modules.visualization.scaled_image import scaled_image


@HOOKS.register_module()
class FixedSamplesHook(Hook):
    """Draw the same validation images every few epochs, so that one can watch a segmentor learn.

    Each picture is a row input | truth | prediction, as the run's visualizer draws it. It goes to
    ``<work_dir>/<timestamp>/vis_data/fixed_samples/<index>_<image>_epoch_<epoch>.png``, and to TensorBoard and the
    trackers under one tag per image, whose slider goes through the epochs. (mmseg's ``SegVisualizationHook``
    picks by iteration, which meets other images each time.)

    The predictions are those of the validation that runs anyway, averaged weights included: no image is
    predicted twice. Drawn are the first validation of a process, the ones that complete ``interval``
    epochs, and the last one, also where early stopping ends the run. Testing draws nothing. With several processes
    the main one draws those of the images that its own part of the validation set holds.

    Args:
        interval (int): Epochs from one picture to the next. Defaults to 5: TensorBoard shows 10 pictures of a
            tag (more with ``--samples_per_plugin images=100``), and a run of 40 epochs has 9.
        count (int): How many images, evenly spaced over the validation set; 0 draws nothing. Defaults to 4.
        indices (Sequence[int], optional): Places in the validation set instead, as in the pictures' names.
        width (int): Greatest width of one of the three cells in pixels; larger images are scaled down.
            Defaults to 320.

    Raises:
        UsageError: If interval or width is less than 1, or the validation set has no image at an index.

    Example:
        >>> # in an experiment: two images of its choice after every epoch
        >>> default_hooks = dict(fixed_samples=dict(interval=1, indices=[3, 17]))
    """

    def __init__(
        self,
        interval: int = 5,
        count: int = 4,
        indices: Sequence[int] | None = None,
        width: int = 320,
    ) -> None:
        for name, value in dict(interval=interval, width=width).items():
            if value < 1:
                raise UsageError(f'{name} of FixedSamplesHook must be at least 1, got {value}.')
        self.interval, self.count, self.indices, self.width = interval, count, indices, width
        self._names = {}

    def before_train(self, runner) -> None:
        """Choose the images.

        Args:
            runner (Runner): The runner of the training process.

        Raises:
            UsageError: If the validation set has no image at an index.
        """
        self._names, self._samples = {}, {}
        self._seen = self._drawn = None
        if runner.val_loop is None:
            return
        dataset = runner.val_dataloader.dataset
        for index in self._chosen(len(dataset)):
            path = dataset.get_data_info(index)['img_path']
            # with the index, since images of several folders may share names
            self._names.setdefault(path, f'{index:04d}_{Path(path).stem}')

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Keep the predictions of the chosen images.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict, optional): Unused.
            outputs (Sequence[SegDataSample], optional): The batch with its predictions.
        """
        for sample in (outputs or ()) if self._names else ():
            path = sample.get('img_path')
            if path in self._names:
                # only what is drawn: the scores of all classes would be large
                self._samples[path] = BaseDataElement(
                    **{
                        key: PixelData(data=sample.get(key).data.detach().to('cpu', copy=True))
                        for key in ('gt_sem_seg', 'pred_sem_seg')
                        if key in sample
                    }
                )

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Draw, if it is time.

        Args:
            runner (Runner): The runner of the training process.
            metrics (dict[str, float], optional): Unused.
        """
        if not self._names:
            return
        before, self._seen = self._seen, runner.epoch
        if before is None:
            self._warn_of_missing(runner)
        if before is None or self._seen // self.interval > before // self.interval:
            self._draw(runner)

    def after_train(self, runner) -> None:
        """Draw the last validation, which is not known to be the last before.

        Args:
            runner (Runner): The runner of the training process.
        """
        if self._seen != self._drawn:
            self._draw(runner)
        # what is validated later belongs to no epoch
        self._names = {}

    def _chosen(self, size: int) -> list[int]:
        if self.indices is None:
            return np.linspace(0, size - 1, min(self.count, size)).round().astype(int).tolist()
        for index in self.indices:
            if not 0 <= index < size:
                raise UsageError(
                    f'FixedSamplesHook shall draw the validation image {index}, but there are {size}: '
                    f'choose indices from 0 to {size - 1}.'
                )
        return list(self.indices)

    def _warn_of_missing(self, runner) -> None:
        missing = [name for path, name in self._names.items() if path not in self._samples]
        if missing and get_world_size() == 1:
            runner.logger.warning(
                f'FixedSamplesHook found no prediction for {", ".join(missing)}: PackSegInputs of the validation '
                "has to keep 'img_path' in its meta_keys."
            )

    def _draw(self, runner) -> None:
        self._drawn = self._seen
        if not is_main_process():
            return
        folder = Path(runner.log_dir) / 'vis_data' / 'fixed_samples'
        folder.mkdir(parents=True, exist_ok=True)
        for path, sample in self._samples.items():
            image = scaled_image(path, self.width)
            draw_sample(runner.visualizer, image, sample, folder, self._names[path], self._seen)
