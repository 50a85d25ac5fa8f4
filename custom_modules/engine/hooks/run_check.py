"""Checks of a run before it starts, and reasons to stop it early."""

import logging
import math

import torch
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.optim import LinearParamScheduler
from mmengine.registry import HOOKS

from custom_modules.engine.data_checks import files_of_batch
from custom_modules.engine.devices import inner_model
from custom_modules.engine.resuming import require_fitting_weights, require_resumable, training_images
from custom_modules.utils.errors import UsageError

HIGHER_IS_BETTER = ('dice', 'iou', 'acc', 'recall', 'precision', 'f1', 'fscore', 'top')  # parts of scores' names


@HOOKS.register_module()
class RunCheckHook(Hook):
    """Find before the first step what would go wrong later.

    - A score that is monitored (for the best checkpoint, early stopping, a plateau scheduler) but that no metric produces, or
      with the wrong ``rule``, is a UsageError.
    - So is a checkpoint that does not fit, before it is loaded: see :mod:`custom_modules.engine.resuming`.
    - Other epochs, optimizer settings or schedulers on a resume, where mmengine takes the checkpoint's, get a warning.
    - A learning rate that is negative, infinite or nan is a UsageError before each epoch.
    - A warm-up of a single step, which in mmengine never ends, is ended; else all training would go at its start_factor.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare a checkpoint with the run before it is loaded."""
        name = str(runner.cfg.get('load_from') or 'the checkpoint')
        if runner.cfg.get('resume'):
            require_resumable(runner, checkpoint, name)
        else:
            require_fitting_weights(inner_model(runner.model), checkpoint['state_dict'], name)

    def before_train(self, runner) -> None:
        """Check the monitored scores, warn of settings that a resume does not change, and end a warm-up of a single step."""
        runner.message_hub.update_info('training_images', training_images(runner))
        _warn_of_settings_without_effect(runner)
        _end_warm_ups_of_one_step(runner)
        _require_monitored_scores(runner)

    def before_train_epoch(self, runner) -> None:
        """Refuse a learning rate that is negative, infinite or nan."""
        for name, values in runner.optim_wrapper.get_lr().items():
            unsound = [float(value) for value in values if not 0 <= value < math.inf]
            if unsound:
                raise UsageError(
                    f'the learning rate ({name}) is {unsound[0]:g} in epoch {runner.epoch + 1}, and it is a number of at least 0: mend '
                    'optim_wrapper.optimizer.lr, the lr_mult of optim_wrapper.paramwise_cfg, or param_scheduler.'
                )


def _warn_of_settings_without_effect(runner) -> None:
    hub = runner.message_hub
    # what a run was started with stays in the hub, and so in its checkpoints
    planned = hub.get_info('planned_epochs', runner.max_epochs)
    hub.update_info('planned_epochs', planned)
    if planned != runner.max_epochs:
        runner.logger.warning(
            f'Resumed with max_epochs={runner.max_epochs}, but the schedulers were made for {planned}: past their end '
            'the learning rates do not change. For a longer schedule start anew.'
        )
    wrapper = runner.cfg.get('optim_wrapper') or {}
    rates = repr((wrapper.get('optimizer'), wrapper.get('paramwise_cfg'), runner.cfg.get('param_scheduler')))
    planned_rates = hub.get_info('planned_rates', rates)
    hub.update_info('planned_rates', planned_rates)
    if planned_rates != rates:
        runner.logger.warning(
            'Resumed with other settings of the optimizer or its schedulers, which change nothing: those of the checkpoint '
            'go on. To change them start anew, from the weights with load_from.'
        )


def _end_warm_ups_of_one_step(runner) -> None:
    for scheduler in runner.param_schedulers or ():
        # total_iters is 0 for a single step, such as an epoch of one batch
        if runner.iter == 0 and isinstance(scheduler, LinearParamScheduler) and scheduler.total_iters == 0:
            for group in scheduler.optimizer.param_groups:
                group[scheduler.param_name] *= scheduler.end_factor / scheduler.start_factor


def _require_monitored_scores(runner) -> None:
    monitored = _monitored(runner)
    for key, (by, rule) in monitored.items():
        wanted = _rule_for(key)
        if wanted and rule != wanted:
            raise UsageError(
                f"{by} takes {key!r} with rule='{rule}' for better, so that the worst would count as the best: set its rule='{wanted}' too."
            )
    produced = _scores_of_one_image(runner) if monitored and runner.val_loop is not None else []
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


def _monitored(runner) -> dict[str, tuple[str, str]]:
    """Map each monitored score to what monitors it, and the rule, 'greater' or 'less', there."""
    keys = {}
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            by = 'save_best of the checkpoint hook'
            keys |= {k: (by, r) for k, r in zip(hook.key_indicators, hook.rules, strict=False)}
        # without a validation early stopping just never stops
        if isinstance(hook, EarlyStoppingHook) and runner.val_loop is not None:
            keys[hook.monitor] = ('monitor of the early stopping hook', hook.rule)
    for scheduler in runner.param_schedulers or ():
        if hasattr(scheduler, 'monitor'):
            keys[scheduler.monitor] = (f'monitor of {type(scheduler).__name__}', scheduler.rule)
    keys.pop('auto', None)
    return keys


def _rule_for(score: str) -> str | None:
    """Infer from a score's name whether 'greater' or 'less' is better; None if it does not say."""
    name = score.lower()
    if 'loss' in name:
        return 'less'
    return 'greater' if any(word in name for word in HIGHER_IS_BETTER) else None


@torch.no_grad()
def _scores_of_one_image(runner) -> list[str]:
    """Name the scores and losses that a validation gives, by validating its first image."""
    loader, evaluator = runner.val_dataloader, runner.val_evaluator
    batch = loader.collate_fn([loader.dataset[0]])
    level, training = runner.logger.level, runner.model.training
    # no tables of scores of one image and an untrained model
    runner.logger.setLevel(logging.WARNING)
    runner.model.eval()
    try:
        outputs = runner.model.val_step(batch)
        # mmengine returns validation losses as a last element
        losses = list(outputs[-1].loss) if outputs[-1].keys() == ['loss'] else []
        evaluator.process(data_samples=outputs[:-1] if losses else outputs, data_batch=batch)
        scores = list(evaluator.evaluate(1))
    finally:
        runner.logger.setLevel(level)
        runner.model.train(training)
    return [*scores, *losses, 'val_loss'] if losses else scores


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop a training whose loss is nan or infinite, and name the first such batch.

    mmdet's ``CheckInvalidLossHook`` checks every fiftieth iteration and does not name the batch.

    Args:
        interval (int): Iterations after which the losses of a GPU are read, besides the end of an epoch. Defaults to 10.
    """

    priority = 'NORMAL'  # before checkpoints are saved

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self._waiting: list[tuple[int, torch.Tensor, list[str]]] = []

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Record the loss, and raise a UsageError if one that was recorded is nan or infinite."""
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
    """mmengine's ``EarlyStoppingHook`` with its best score and count saved in checkpoints.

    mmengine's counts anew after a resume, and accesses the training loop in a test too, which builds the training set.
    """

    priority = 'LOW'  # before the checkpoint is written
    _KEY = 'early_stopping'

    def before_run(self, runner) -> None:
        """Do not access the training loop, as mmengine's does before a test too."""

    def before_train(self, runner) -> None:
        """Restore the state of a resumed run."""
        super().before_run(runner)
        state = runner.message_hub.get_info(self._KEY)
        # the best value of another score, which was monitored before the resume, does not count
        if state is not None and state['monitor'] == self.monitor:
            self.best_score, self.wait_count = state['best_score'], state['wait_count']
            if self.wait_count >= self.patience:
                runner.train_loop.stop_training = True
                runner.logger.info(
                    f'Stopped before: {self.monitor} did not improve in {self.wait_count} validations; '
                    'a greater patience of the early stopping hook goes on.'
                )

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Decide whether to stop, and save the state for the checkpoint."""
        # nan, where nothing is true or predicted, says nothing; mmengine would stop at once
        if not math.isnan(metrics.get(self.monitor, 0.0)):
            super().after_val_epoch(runner, metrics)
        state = dict(monitor=self.monitor, best_score=float(self.best_score), wait_count=self.wait_count)
        runner.message_hub.update_info(self._KEY, state)
