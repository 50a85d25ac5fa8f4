"""Checks of a run before it starts, and its early end."""

import logging
import math

import torch
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.registry import HOOKS

from custom_modules.engine.data_checks import files_of_batch
from custom_modules.engine.devices import inner_model
from custom_modules.engine.resuming import require_fitting_weights, require_resumable, training_images
from custom_modules.utils.errors import UsageError

HIGH_IS_GOOD = ('dice', 'iou', 'acc', 'recall', 'precision', 'f1', 'fscore', 'top')  # of which more is better


@HOOKS.register_module()
class RunCheckHook(Hook):
    """Say, before the first step, what would go wrong later.

    - A score that something waits for (the best checkpoint, early stopping, a plateau scheduler) but no metric produces is
      refused, and one that is taken for its opposite, as ``save_best='val_loss'`` beside ``rule='greater'``.
    - A checkpoint that does not fit is refused before anything of it is loaded: see :mod:`custom_modules.engine.resuming`.
    - A resume with other epochs, optimizer settings or schedulers gets a warning: mmengine takes the checkpoint's.
    - A learning rate below 0, or that is no number, is refused before each epoch, whatever set it.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare a checkpoint with the run, before anything of it is loaded."""
        name = str(runner.cfg.get('load_from') or 'the checkpoint')
        if runner.cfg.get('resume'):
            require_resumable(runner, checkpoint, name)
        else:
            require_fitting_weights(inner_model(runner.model), checkpoint['state_dict'], name)

    def before_train(self, runner) -> None:
        """Refuse scores that no metric produces, and rules that keep the worst; warn of settings that a resume replaces."""
        planned = _begun_with(runner.message_hub, 'planned_epochs', runner.max_epochs)
        if planned != runner.max_epochs:
            runner.logger.warning(
                f'Resumed with max_epochs={runner.max_epochs}, but the schedulers were made for {planned}: past their end '
                'the learning rates do not change. For a longer schedule start anew.'
            )
        runner.message_hub.update_info('training_images', training_images(runner))
        wrapper = runner.cfg.get('optim_wrapper') or {}
        rates = repr((wrapper.get('optimizer'), wrapper.get('paramwise_cfg'), runner.cfg.get('param_scheduler')))
        if _begun_with(runner.message_hub, 'planned_rates', rates) != rates:
            runner.logger.warning(
                'Resumed with other settings of the optimizer or its schedulers, which change nothing: those of the checkpoint '
                'go on. To change them start anew, from the weights with load_from.'
            )
        monitored = _monitored(runner)
        for key, (by, rule) in monitored.items():
            wanted = _rule_of(key)
            if wanted and rule != wanted:
                raise UsageError(
                    f"{by} takes {key!r} with rule='{rule}' for better, so that the worst would count as the best: set its rule='{wanted}' too."
                )
        if not monitored:
            return
        produced = [] if runner.val_loop is None else _scores_of_one_image(runner)
        for key, (by, _) in monitored.items():
            if not produced:
                raise UsageError(
                    f'{by} waits for the score {key!r}, and there is no validation: set default_hooks.checkpoint.save_best=None, '
                    'and choose a scheduler that waits for nothing.'
                )
            if key not in produced:
                raise UsageError(
                    f'{by} waits for the score {key!r}, which no metric produces; there are {", ".join(produced)}: change it to '
                    'one of these, or val_evaluator.'
                )

    def before_train_epoch(self, runner) -> None:
        """Refuse a learning rate that would teach the opposite, or nothing."""
        for name, values in runner.optim_wrapper.get_lr().items():
            unsound = [float(value) for value in values if not 0 <= value < math.inf]
            if unsound:
                raise UsageError(
                    f'the learning rate ({name}) is {unsound[0]:g} in epoch {runner.epoch + 1}, and it is a number of at least 0: mend '
                    'optim_wrapper.optimizer.lr, the lr_mult of optim_wrapper.paramwise_cfg, or param_scheduler.'
                )


def _begun_with(hub, key: str, now):
    """Say what a resumed run began with, and note it where it begins."""
    begun = hub.runtime_info.get(key) or now
    hub.update_info(key, begun)
    return begun


def _monitored(runner) -> dict[str, tuple[str, str]]:
    """Which score is waited for by what, and whether 'greater' or 'less' of it is better there."""
    keys = {}
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            by = 'save_best of the checkpoint hook'
            keys |= {k: (by, r) for k, r in zip(hook.key_indicators, hook.rules, strict=False)}
        # without a validation it never stops, which is what is asked for
        if isinstance(hook, EarlyStoppingHook) and runner.val_loop is not None:
            keys[hook.monitor] = ('monitor of the early stopping hook', hook.rule)
    for scheduler in runner.param_schedulers or ():
        if hasattr(scheduler, 'monitor'):
            keys[scheduler.monitor] = (f'monitor of {type(scheduler).__name__}', scheduler.rule)
    keys.pop('auto', None)
    return keys


def _rule_of(score: str) -> str | None:
    """Say whether 'greater' or 'less' of a score is better, as far as its name tells."""
    name = score.lower()
    if 'loss' in name:
        return 'less'
    return 'greater' if any(word in name for word in HIGH_IS_GOOD) else None


@torch.no_grad()
def _scores_of_one_image(runner) -> list[str]:
    loader, evaluator = runner.val_dataloader, runner.val_evaluator
    batch = loader.collate_fn([loader.dataset[0]])
    level, training = runner.logger.level, runner.model.training
    # the tables that metrics print would be of one image and an untrained model
    runner.logger.setLevel(logging.WARNING)
    runner.model.eval()
    try:
        outputs = runner.model.val_step(batch)
        # mmengine's convention: the losses come as a last element
        losses = list(outputs[-1].loss) if outputs[-1].keys() == ['loss'] else []
        evaluator.process(data_samples=outputs[:-1] if losses else outputs, data_batch=batch)
        scores = list(evaluator.evaluate(1))
    finally:
        runner.logger.setLevel(level)
        runner.model.train(training)
    return scores + [*losses, 'val_loss'] * bool(losses)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop a training whose loss is no number any more, and say where it began.

    mmengine's ``CheckInvalidLossHook`` looks at every fiftieth iteration and fails without a word about the batch.

    Args:
        interval (int): Every how many iterations the losses of a GPU are read, and at the end of an epoch. Defaults to 10.
    """

    priority = 'NORMAL'  # before anything is saved, and after LazyScalarsHook's own

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self._waiting: list[tuple[int, torch.Tensor, list[str]]] = []

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Note the loss, and refuse to go on if one of those that are waiting is nan or infinite."""
        loss = outputs['loss'].detach()
        self._waiting.append((runner.iter, loss, files_of_batch(data_batch)))
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if not (last or loss.device.type == 'cpu' or len(self._waiting) >= self.interval):
            return
        waiting, self._waiting = self._waiting, []
        values = torch.stack([loss.reshape(()) for _, loss, _ in waiting]).tolist()
        for (iteration, _, files), value in zip(waiting, values, strict=True):
            if not math.isfinite(value):
                raise UsageError(
                    f'the loss is {value} in epoch {runner.epoch + 1}, iteration {iteration + 1}, so that nothing more would be learnt; its '
                    f'batch was {", ".join(files) or "not named"}: look at these files, lower optim_wrapper.optimizer.lr, set '
                    'optim_wrapper.clip_grad=dict(max_norm=1.0), or leave --amp out, and go on from the last checkpoint with --resume.'
                )


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's ``EarlyStoppingHook`` whose best score and count travel in the checkpoint.

    mmengine's own starts to count anew at a resume, and makes every test build the training set, since it looks at its loop.
    """

    # before the checkpoint of the epoch is written
    priority = 'LOW'
    _KEY = 'early_stopping'

    def before_run(self, runner) -> None:
        """Leave the training loop alone where it is not needed."""

    def before_train(self, runner) -> None:
        """Take up the state of a resumed checkpoint."""
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
        """Decide whether to stop, and note the state for the checkpoint."""
        super().after_val_epoch(runner, metrics)
        state = dict(monitor=self.monitor, best_score=float(self.best_score), wait_count=self.wait_count)
        runner.message_hub.update_info(self._KEY, state)
