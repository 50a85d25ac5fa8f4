"""Whether a run can go on, or begin, from a checkpoint: compared tensor by tensor before anything is loaded."""

import hashlib
import os
from collections.abc import Iterator, Mapping

import torch
from mmengine.hooks import EMAHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from custom_modules.engine.data_checks import image_files
from custom_modules.engine.devices import inner_model
from custom_modules.models.safe_loading import unlike_tensors
from custom_modules.utils.errors import UsageError

SAME_CONFIG = 'resume with the config that it was trained with'


def training_images(runner: Runner) -> str:
    """Give the number of the training images and a hash of their names: what a resume compares, wherever the folder lies by then."""
    names = [os.path.basename(path) for path in image_files(runner.train_dataloader.dataset)]
    return f'{len(names)} {hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:16]}'


def require_fitting_weights(model: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Refuse a ``state_dict`` that would leave a part of the model as it is, where mmengine only warns, and goes on."""
    unlike, _ = unlike_tensors(model, state)
    if unlike:
        wanted, found = model.state_dict()[unlike[0]], state.get(unlike[0])
        first = f'{unlike[0]} ({_shape(wanted)} instead of {_shape(found)})'
        raise UsageError(
            f'{name} does not fit the model: {len(unlike)} of its tensors are missing or of another shape, such as {first}: '
            'take the config that it was trained with, or take over its encoder alone with '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')."
        )


def require_resumable(runner: Runner, checkpoint: dict, name: str) -> None:
    """Refuse, with a UsageError, a checkpoint that the run cannot go on from exactly, before anything of it is loaded.

    mmengine compares nothing: an optimizer's averages of another architecture run past their memory, other images or
    another batch size leave a schedule that does not fit, averaged weights are taken for the last ones.
    """
    for fault in _faults(runner, checkpoint, name):
        raise UsageError(
            f'{name} {fault}, or start anew with its weights, by load_from in the config and another --work-dir.'
        )
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
    """Yield what is wrong with a checkpoint, and what helps; what comes later takes for granted that nothing came before."""
    parts = ['message_hub', 'optimizer']
    parts += ['param_schedulers'] * (runner.param_schedulers is not None)
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
        own = hook.ema_model.state_dict()
        if own.keys() != averages.keys() or any(own[k].shape != averages[k].shape for k in own):
            yield f'has averaged weights of another model: {SAME_CONFIG}'
    if fault := _fault_of_optimizer(runner.optim_wrapper.optimizer, checkpoint['optimizer']):
        yield f'{fault}: {SAME_CONFIG}'
    if not _are_same(runner.param_schedulers, checkpoint.get('param_schedulers')):
        yield f'was trained with other schedulers of the learning rate: {SAME_CONFIG}'
    epochs, per_epoch = meta['epoch'], len(runner.train_dataloader)
    if isinstance(runner.train_loop, EpochBasedTrainLoop) and meta['iter'] != epochs * per_epoch:
        done = meta['iter'] / max(epochs, 1)
        yield (
            f'has done {epochs} epochs of {done:g} steps, and {len(runner.train_dataloader.dataset)} images in batches of '
            f'{runner.train_dataloader.batch_size} make {per_epoch} steps: with another batch size, other images or another number '
            'of processes the schedules would not fit, so go on with what it was made with'
        )
    hub = checkpoint['message_hub']
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    # as many steps may be of other images, of another share or fold: what was learnt would be scored; older checkpoints do not say
    before = info.get('training_images') if isinstance(info, Mapping) else None
    now = training_images(runner)
    if before not in (None, now):
        yield (
            f'was trained on {str(before).split()[0]} images, and the {now.split()[0]} of this run are others: go on with the '
            'train_fraction, fold, list and folder that it was made with'
        )


def _fault_of_optimizer(optimizer: torch.optim.Optimizer, saved: object) -> str | None:
    groups = optimizer.param_groups
    try:
        held = [group['params'] for group in saved['param_groups']]
        states = saved['state']
        same = [len(params) for params in held] == [len(group['params']) for group in groups]
        # a group takes the saved one's settings: of another optimizer some would be missing
        same &= all(optimizer.defaults.keys() <= group.keys() for group in saved['param_groups'])
        weights = [p for group in groups for p in group['params']]
        pairs = zip([i for params in held for i in params], weights, strict=True) if same else ()
        unlike = [
            weight
            for i, weight in pairs
            for value in states.get(i, {}).values()
            if torch.is_tensor(value) and value.dim() and value.shape != weight.shape
        ]
    except (TypeError, KeyError, AttributeError):
        return 'holds no state of an optimizer'
    if not same:
        return f'was trained with another optimizer than {type(optimizer).__name__}, or other parameters in it'
    if unlike:
        return f'has {len(unlike)} averages of the optimizer in another shape than their weights'
    return None


def _are_same(schedulers: list | None, saved: object) -> bool:
    try:
        pairs = zip(schedulers or (), saved if schedulers else (), strict=True)
        return all(own.state_dict().keys() == state.keys() for own, state in pairs)
    except (AttributeError, TypeError, ValueError):
        # no states of schedulers, or another number of them
        return False
