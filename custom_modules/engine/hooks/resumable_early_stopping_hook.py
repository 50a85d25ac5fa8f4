from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's ``EarlyStoppingHook`` whose patience survives a resume.

    mmengine's own starts to count anew: a run that is interrupted often enough never stops. Here the best
    score and the count travel in the checkpoint, which ``CheckpointAfterValHook`` writes late enough to hold
    them. And mmengine's own makes every test build the training set, since it looks at the training loop before any run.

    Args:
        **kwargs: ``monitor``, ``rule``, ``patience``, ``min_delta``, ... of mmengine's ``EarlyStoppingHook``.
    """

    # before the checkpoint of the epoch is written
    priority = 'LOW'
    _KEY = 'early_stopping'

    def before_run(self, runner) -> None:
        """Leave the training loop alone where it is not needed.

        Args:
            runner (Runner): The runner of a training or a test.
        """

    def before_train(self, runner) -> None:
        """Take up the state of a resumed checkpoint.

        Args:
            runner (Runner): The runner of the training process.
        """
        # what mmengine does before any run
        super().before_run(runner)
        state = runner.message_hub.runtime_info.get(self._KEY)
        # another score's best would never be reached, or at once
        if state is not None and state['monitor'] == self.monitor:
            self.best_score, self.wait_count = state['best_score'], state['wait_count']
            if self.wait_count >= self.patience:
                runner.train_loop.stop_training = True
                runner.logger.info(
                    f'Stopped before: {self.monitor} did not improve in {self.wait_count} validations; '
                    'a greater patience of the early stopping hook goes on.'
                )

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Decide whether to stop, and note the state for the checkpoint.

        Args:
            runner (Runner): The runner of the training process.
            metrics (dict[str, float]): The scores of the validation.
        """
        super().after_val_epoch(runner, metrics)
        state = dict(
            monitor=self.monitor, best_score=float(self.best_score), wait_count=self.wait_count
        )
        runner.message_hub.update_info(self._KEY, state)
