"""Whether a run can resume, or start, from a checkpoint: compared before anything of it is loaded."""

import hashlib
import os
from collections.abc import Iterator, Mapping

import torch
from mmengine.hooks import EMAHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from custom_modules.engine.config import value_at
from custom_modules.engine.data_checks import image_files
from custom_modules.engine.devices import inner_model
from custom_modules.models.safe_loading import unlike_tensors
from custom_modules.utils.errors import UsageError

SAME_CONFIG = 'resume with the config that it was trained with'


def training_images(runner: Runner) -> str:
    """Return the number of the training images and a hash of their names, which a resume compares even if the folder moved."""
    names = [os.path.basename(path) for path in image_files(runner.train_dataloader.dataset)]
    digest = hashlib.sha256('\n'.join(names).encode()).hexdigest()
    return f'{len(names)} {digest[:16]}'


def require_fitting_weights(model: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Refuse a ``state_dict`` that does not fill the model, where mmengine would only warn."""
    unlike, _ = unlike_tensors(model, state)
    if unlike:
        first = unlike[0]
        example = f'{first} ({_shape(model.state_dict()[first])} instead of {_shape(state.get(first))})'
        raise UsageError(
            f'{name} does not fit the model: {len(unlike)} of its tensors are missing or of another shape, such as {example}: '
            'take the config that it was trained with, or take over its encoder alone with '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')."
        )


def require_resumable(runner: Runner, checkpoint: dict, name: str) -> None:
    """Refuse, with a UsageError, a checkpoint from which the run cannot resume exactly.

    mmengine compares nothing: the optimizer state of another architecture is accessed out of bounds, the schedule does not
    fit other images or another batch size, averaged weights are taken for the last ones.
    """
    for fault in _faults(runner, checkpoint, name):
        raise UsageError(f'{name} {fault}, or start anew with its weights, by load_from in the config and another --work-dir.')
    epochs = checkpoint['meta']['epoch']
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return
    if epochs > runner.max_epochs:
        raise UsageError(
            f'{name} has done {epochs} epochs, and train_cfg.max_epochs is {runner.max_epochs}: nothing is left to do, so test that '
            f'checkpoint, or raise train_cfg.max_epochs.'
        )
    if epochs == runner.max_epochs:
        runner.logger.info(f'All {epochs} epochs of {name} are done: there is nothing left to train.')


def _shape(tensor: torch.Tensor | None) -> str:
    return 'nothing' if tensor is None else 'x'.join(map(str, tensor.shape)) or 'a number'


def _faults(runner: Runner, checkpoint: dict, name: str) -> Iterator[str]:
    """Yield what is wrong with a checkpoint, and what helps; each check relies on the ones before it."""
    parts = ['message_hub', 'optimizer'] + ([] if runner.param_schedulers is None else ['param_schedulers'])
    missing = [part for part in parts if part not in checkpoint]
    meta = checkpoint['meta']
    if missing or not all(isinstance(meta.get(key), int) for key in ('epoch', 'iter')):
        yield (
            f'holds no {" and no ".join(missing or ["epoch"])}, without which a run does not go on as it was: resume from '
            'epoch_N.pth of its work dir'
        )
    model = inner_model(runner.model)
    foreign = sorted(set(checkpoint['state_dict']) - set(model.state_dict()))
    if foreign:
        yield f'is of another model: it has {len(foreign)} tensors more, such as {foreign[0]}: {SAME_CONFIG}'
    require_fitting_weights(model, checkpoint['state_dict'], name)
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    averages = checkpoint.get('ema_state_dict')
    if hooks and averages is None:
        yield 'holds no averaged weights, which this run is to keep: leave default_hooks.ema out to go on as it was'
    if averages is not None and not hooks:
        yield (
            'holds averaged weights, which this run would take for the last ones: add default_hooks = dict(ema=_base_.ema) '
            'to go on as it was'
        )
    for hook in hooks:
        expected = hook.ema_model.state_dict()
        if expected.keys() != averages.keys() or any(expected[k].shape != averages[k].shape for k in expected):
            yield f'has averaged weights of another model: {SAME_CONFIG}'
    if fault := _fault_of_optimizer(runner.optim_wrapper.optimizer, checkpoint['optimizer']):
        yield f'{fault}: {SAME_CONFIG}'
    if not _same_schedulers(runner.param_schedulers, checkpoint.get('param_schedulers')):
        yield f'was trained with other schedulers of the learning rate: {SAME_CONFIG}'
    epochs, per_epoch = meta['epoch'], len(runner.train_dataloader)
    if isinstance(runner.train_loop, EpochBasedTrainLoop) and meta['iter'] != epochs * per_epoch:
        done = meta['iter'] / max(epochs, 1)
        yield (
            f'has done {epochs} epochs of {done:g} steps, and {len(runner.train_dataloader.dataset)} images in batches of '
            f'{runner.train_dataloader.batch_size} make {per_epoch} steps: with another batch size, other images or another number '
            'of processes the schedules would not fit, so go on with what it was made with'
        )
    # another fold may have as many images, and its test images were trained on; older checkpoints do not say
    before = value_at(checkpoint, 'message_hub', 'runtime_info', 'training_images')
    now = training_images(runner)
    if before not in (None, now):
        yield (
            f'was trained on {str(before).split()[0]} images, and the {now.split()[0]} of this run are others: go on with the '
            'train_fraction, fold, list and folder that it was made with'
        )


def _fault_of_optimizer(optimizer: torch.optim.Optimizer, saved: object) -> str | None:
    groups = optimizer.param_groups
    try:
        saved_groups, states = saved['param_groups'], saved['state']
        same = [len(group['params']) for group in saved_groups] == [len(group['params']) for group in groups]
        # the saved settings replace those of a group, and another optimizer's would lack some
        same &= all(optimizer.defaults.keys() <= group.keys() for group in saved_groups)
        indices = [index for group in saved_groups for index in group['params']]
        weights = [weight for group in groups for weight in group['params']]
        unlike = 0
        for index, weight in zip(indices, weights, strict=False):
            for value in states.get(index, {}).values():
                # the number of steps has no dimension
                unlike += torch.is_tensor(value) and value.dim() > 0 and value.shape != weight.shape
    except (TypeError, KeyError, AttributeError):
        return 'holds no state of an optimizer'
    if not same:
        return f'was trained with another optimizer than {type(optimizer).__name__}, or other parameters in it'
    return f'has {unlike} averages of the optimizer in another shape than their weights' if unlike else None


def _same_schedulers(schedulers: list | None, saved: object) -> bool:
    try:
        pairs = zip(schedulers or (), saved if schedulers else (), strict=True)
        return all(scheduler.state_dict().keys() == state.keys() for scheduler, state in pairs)
    except (AttributeError, TypeError, ValueError):
        # no states of schedulers, or another number of them
        return False
