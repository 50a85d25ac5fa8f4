import functools
import time

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from .peak_memory import peak_memory
from .stopwatch import Stopwatch
from .turn import Turn


class TurnHook(Hook):
    """Makes a runner's training wait for its turn before each epoch, and takes the times.

    An epoch lasts from its turn to the end of its validation and checkpoint. To be registered with the priority
    ``HIGHEST``, so that the other hooks' work counts. :class:`LastHook` ends an iteration.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        facts (dict): What to report of the contestant before the first turn.
    """

    def __init__(self, turn: Turn, facts: dict) -> None:
        self.turn = turn
        self.facts = facts
        self.start = None
        self.val_images = 0

    def before_train(self, runner) -> None:
        """Wrap what an iteration consists of.

        Args:
            runner (Runner): The runner of the training process.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.watch = watch = Stopwatch(next(model.parameters()).device)
        # what comes before the step itself are other hooks
        _around(runner.model, 'train_step', before='other', after='other', watch=watch)
        model.data_preprocessor.register_forward_hook(lambda *_: watch.mark('prepare'))
        # a wrapper steps after the loss is there, whatever its precision
        _around(runner.optim_wrapper, 'backward', before='forward', after='backward', watch=watch)
        _around(runner.optim_wrapper, 'step', after='step', watch=watch)
        _around(runner.optim_wrapper, 'zero_grad', after='step', watch=watch)
        self.turn.report(self.facts)

    def before_train_epoch(self, runner) -> None:
        """Report the epoch before, and wait.

        Args:
            runner (Runner): The runner of the training process.
        """
        if self.start is not None:
            self._report()
        command = self.turn.wait()
        self.val_images = 0
        self.watch.begin(split=command == 'split')
        self.start = time.perf_counter()

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """The batch is there.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict, optional): Unused.
        """
        self.watch.mark('data')

    def after_train_epoch(self, runner) -> None:
        """What follows is validation and checkpoint.

        Args:
            runner (Runner): The runner of the training process.
        """
        self.watch.end()
        self.train_end = time.perf_counter()

    def before_val_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Count the images.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict): The batch.
        """
        self.val_images += len(data_batch['inputs'])

    def after_train(self, runner) -> None:
        """Report the last epoch.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._report()

    def _report(self) -> None:
        end = time.perf_counter()
        self.turn.report(
            dict(
                seconds=end - self.start,
                train_seconds=self.train_end - self.start,
                val_seconds=end - self.train_end,
                train_images=self.watch.images,
                val_images=self.val_images,
                memory_mib=peak_memory(),
                **self.watch.summary(),
            )
        )


def _around(owner, name: str, after: str, watch: Stopwatch, before: str | None = None) -> None:
    """Mark before and after a method of one object."""
    method = getattr(owner, name)

    # mmengine's schedulers look for their mark on it
    @functools.wraps(method)
    def wrapped(*args, **kwargs):
        if before is not None:
            watch.mark(before)
        result = method(*args, **kwargs)
        watch.mark(after)
        return result

    setattr(owner, name, wrapped)
