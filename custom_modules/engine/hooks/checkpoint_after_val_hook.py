from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class CheckpointAfterValHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, but an epoch's checkpoint is written after its validation.

    mmengine writes it before. A resume does not repeat that validation, so everything that
    learns from a score has missed one: the plateau scheduler, early stopping, the best score. Where an
    epoch has no validation, nothing changes.

    Args:
        **kwargs: Of mmengine's ``CheckpointHook``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._waits_for_validation = False

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
    last = epoch == runner.max_epochs
    return epoch >= loop.val_begin and (epoch % loop.val_interval == 0 or last)
