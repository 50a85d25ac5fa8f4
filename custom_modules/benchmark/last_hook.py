from mmengine.hooks import Hook

from .stopwatch import Stopwatch


class LastHook(Hook):
    """Ends each iteration for the stopwatch after all other hooks; to be registered with the priority ``LOWEST``.

    Args:
        first (TurnHook): The hook that holds the stopwatch.
    """

    def __init__(self, first) -> None:
        self.first = first

    @property
    def watch(self) -> Stopwatch:
        """The stopwatch, which the first hook makes when it knows the device."""
        return self.first.watch

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """End the iteration.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict): The batch.
            outputs (dict, optional): Unused.
        """
        self.watch.end_iteration(len(data_batch['inputs']))

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Go on: a benchmark's length does not depend on the scores.

        Args:
            runner (Runner): The runner of the training process.
            metrics (dict, optional): Unused.
        """
        runner.train_loop.stop_training = False
