"""Checkpoints: written whole, and after the validation."""

from bisect import bisect
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from custom_modules.utils.files import write_atomically


@register_backend('AtomicLocalBackend')
class AtomicLocalBackend(LocalBackend):
    """Local files that are either whole or not there.

    mmengine writes a checkpoint straight into its final name: an interrupted run leaves half a
    file, and ``--resume`` dies of it. Here the bytes go to a neighbour that takes the name at the end.

    Example:
        >>> checkpoint = dict(type='CheckpointHook', backend_args=dict(backend='AtomicLocalBackend'))
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, all or nothing.

        Args:
            obj (bytes): The content.
            filepath (str or Path): Where to; missing folders are made.
        """
        write_atomically(filepath, obj)


@HOOKS.register_module()
class CheckpointAfterValHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, without three ways to lose a result.

    - An epoch's checkpoint is written after its validation. mmengine writes it before, and a resume does not repeat
      that validation, so everything that learns from a score has missed one: the plateau scheduler, early
      stopping, the best score. Where an epoch has no validation, nothing changes.
    - The best checkpoint goes when the better one is written, not before: a kill in between would leave neither.
    - A run that goes on from another one's checkpoint, or from a copy, leaves that one's best checkpoint where it is
      and looks for one of its own.

    Args:
        **kwargs: Of mmengine's ``CheckpointHook``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._waits_for_validation = False

    def before_train(self, runner) -> None:
        """Find out what there is from before, and forget a best checkpoint that is not here.

        Args:
            runner (Runner): The runner of the training process.
        """
        super().before_train(runner)
        if not self.save_best:
            return
        paths = self._best
        for i, path in enumerate(paths):
            here = path and Path(path).parent.resolve() == Path(self.out_dir).resolve()
            if path and not (here and self.file_backend.isfile(path)):
                paths[i] = None
                suffix = f'_{self.key_indicators[i]}' if len(paths) > 1 else ''
                runner.message_hub.pop_info(f'best_ckpt{suffix}')
                runner.message_hub.pop_info(f'best_score{suffix}')
                runner.logger.warning(
                    f'The best checkpoint so far is {path}, which is not in {self.out_dir}: it is left alone, and the '
                    'best one is looked for anew from here on.'
                )
        self._best = paths

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, and the epoch's if it is due.

        Args:
            runner (Runner): The runner of the training process.
            metrics (dict[str, float]): The scores of the validation.
        """
        super().after_val_epoch(runner, metrics)
        if self._waits_for_validation:
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, runner.epoch, meta)

    @property
    def _best(self) -> list[str | None]:
        """The best checkpoint by each score, wherever mmengine keeps it."""
        if len(self.key_indicators) == 1:
            return [self.best_ckpt_path]
        return [self.best_ckpt_path_dict[key] for key in self.key_indicators]

    @_best.setter
    def _best(self, paths: list[str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths[0]
        else:
            self.best_ckpt_path_dict = dict(zip(self.key_indicators, paths, strict=True))

    def _save_best_checkpoint(self, runner, metrics: dict[str, float]) -> None:
        if not self.save_best:
            return
        old = self._best
        # what it does not know of it does not remove
        self._best = [None] * len(old)
        super()._save_best_checkpoint(runner, metrics)
        new = self._best
        for before, after in zip(old, new, strict=True):
            if before and after and before != after and is_main_process():
                self.file_backend.remove(before)
        self._best = [after or before for before, after in zip(old, new, strict=True)]

    def _save_checkpoint(self, runner) -> None:
        if self.by_epoch and _validation_follows(runner):
            self._waits_for_validation = True
        else:
            super()._save_checkpoint(runner)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        # a new best score makes mmengine write the epoch's checkpoint by itself
        self._waits_for_validation = False
        super()._save_checkpoint_with_step(runner, step, meta)


def _validation_follows(runner) -> bool:
    if runner.val_loop is None:
        return False
    epoch, loop = runner.epoch + 1, runner.train_loop
    interval = loop.dynamic_intervals[bisect(loop.dynamic_milestones, epoch + 1) - 1]
    return epoch >= loop.val_begin and (epoch % interval == 0 or epoch == runner.max_epochs)
