"""Checkpoints: written whole, and before anything that could cost the epoch."""

from bisect import bisect
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically


@register_backend('AtomicLocalBackend')
class AtomicLocalBackend(LocalBackend):
    """Local files that are either whole or not there; mmengine's own leaves half a checkpoint behind, and ``--resume`` dies of it."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, all or nothing; missing folders are made."""
        write_atomically(filepath, obj)


@HOOKS.register_module(name=['ResumableCheckpointHook', 'CheckpointAfterValHook'])
class ResumableCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, without three ways to lose a result.

    - An epoch's checkpoint is written before its validation, so that nothing in the validation can cost the epoch. A
      resume repeats a validation that the checkpoint knows nothing of, which mmengine leaves out: the plateau scheduler,
      early stopping and the best score would miss one.
    - The best checkpoint goes when the better one is written, not before: a kill in between would leave neither.
    - A run that goes on from another one's checkpoint, or from a copy, leaves that one's best checkpoint where it is
      and looks for one of its own.

    A checkpoint with a weight that is no number is not written: what was saved before stays the last one.
    """

    # the epoch of the last validation, in what a checkpoint carries; mmengine logs what begins with "val"
    _KEY = 'last_validation'

    def before_train(self, runner) -> None:
        """Find out what there is from before, and repeat the validation that was broken off."""
        super().before_train(runner)
        if self.save_best:
            self._forget_other_best(runner)
        # a run of before this was noted is up to date
        validated = runner.message_hub.runtime_info.get(self._KEY, runner.epoch)
        runner.message_hub.update_info(self._KEY, validated)
        if validated < runner.epoch and _validation_followed(runner):
            runner.logger.info(f'The validation of epoch {runner.epoch} is repeated.')
            runner.val_loop.run()

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Note the validation, and save the best checkpoint."""
        runner.message_hub.update_info(self._KEY, runner.epoch)
        super().after_val_epoch(runner, metrics)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Refuse, with a UsageError, a weight that is no number."""
        for name, tensor in checkpoint['state_dict'].items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise UsageError(
                    f'{name} is nan or infinite after {runner.iter} iterations, so that this checkpoint is not saved: lower '
                    'optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad, or leave --amp out, and go on from the one before with --resume.'
                )

    def _forget_other_best(self, runner) -> None:
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
            outdated = before and after and before != after and is_main_process()
            # of a run that was killed here it may be gone
            if outdated and self.file_backend.isfile(before):
                self.file_backend.remove(before)
        self._best = [after or before for before, after in zip(old, new, strict=True)]


def _validation_followed(runner) -> bool:
    """Whether the loop validates after the epoch that is done, by mmengine's own rule."""
    if runner.val_loop is None or not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return False
    epoch, loop = runner.epoch, runner.train_loop
    interval = loop.dynamic_intervals[bisect(loop.dynamic_milestones, epoch + 1) - 1]
    return epoch >= loop.val_begin and (epoch % interval == 0 or epoch == runner.max_epochs)
