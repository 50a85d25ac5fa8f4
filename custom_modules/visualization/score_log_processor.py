from mmengine.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor


@LOG_PROCESSORS.register_module()
class ScoreLogProcessor(LogProcessor):
    """Adds the last validation score to each training line, so that one line shows how a run goes.

    An epoch's validation loss is logged as it is: mmengine averages whatever has "loss" in its name, validation losses
    over ten epochs too.

    Args:
        score (str): The metric to show. Defaults to ``'rock_Dice'``.
        **kwargs: Of mmengine's ``LogProcessor``.
    """

    def __init__(self, score: str = 'rock_Dice', **kwargs) -> None:
        kwargs.setdefault('mean_pattern', r'^(?!val[_/]).*(loss|time|grad_norm).*')
        super().__init__(**kwargs)
        self.score = score

    def get_log_after_iter(self, runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        """Format the scalars of an iteration.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Index of the batch.
            mode (str): ``'train'``, ``'val'`` or ``'test'``.

        Returns:
            tuple[dict, str]: The scalars, and the line to print.
        """
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        history = runner.message_hub.log_scalars.get(f'val/{self.score}')
        if mode == 'train' and history is not None:
            line += f'  val {self.score}: {history.current():.2f}'
        return tag, line
