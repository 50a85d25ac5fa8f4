"""Whether a run can go on, or begin, from a checkpoint: compared tensor by tensor before anything is loaded."""

import hashlib
import os
from collections.abc import Mapping

import torch
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from custom_modules.engine.data_checks import image_files
from custom_modules.engine.devices import inner_model
from custom_modules.utils.errors import UsageError

NEW_RUN = 'start anew with its weights, by load_from in the config and another --work-dir'


def training_images(runner: Runner) -> str:
    """Give the number of the training images and a hash of their names: what a resume compares, wherever the folder lies by then."""
    names = [os.path.basename(path) for path in image_files(runner.train_dataloader.dataset)]
    return f'{len(names)} {hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:16]}'


def optimizers_of(wrapper) -> dict[str, torch.optim.Optimizer]:
    """Give the optimizers of a wrapper, of several (``OptimWrapperDict``) or of one, whose name is empty."""
    wrappers = wrapper if isinstance(wrapper, OptimWrapperDict) else {'': wrapper}
    return {name: each.optimizer for name, each in wrappers.items()}


def require_fitting_weights(model: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Refuse a ``state_dict`` that would leave a part of the model as it is, where mmengine only warns, and goes on."""
    unlike = [
        f'{key} ({_shape(tensor)} instead of {_shape(state.get(key))})'
        for key, tensor in model.state_dict().items()
        # older files lack the counters of batch norms, which mean nothing here
        if not key.endswith('num_batches_tracked') and _shape(state.get(key)) != _shape(tensor)
    ]
    if unlike:
        raise UsageError(
            f'{name} does not fit the model: {len(unlike)} of its tensors are missing or of another shape, such as {unlike[0]}: '
            'take the config that it was trained with, or take over its encoder alone with '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')."
        )


def require_resumable(runner: Runner, checkpoint: dict, name: str) -> None:
    """Refuse, with a UsageError, a checkpoint that the run cannot go on from exactly, before anything of it is loaded.

    mmengine compares nothing: an optimizer's averages of another architecture run past their memory, other images or
    another batch size leave a schedule that does not fit, averaged weights are taken for the last ones.
    """
    parts = ['message_hub', 'optimizer']
    parts += ['param_schedulers'] * (runner.param_schedulers is not None)
    missing = [part for part in parts if part not in checkpoint]
    meta = checkpoint['meta']
    if missing or not all(isinstance(meta.get(key), int) for key in ('epoch', 'iter')):
        raise UsageError(
            f'{name} holds no {" and no ".join(missing or ["epoch"])}, without which a run does not go on as it was: resume from '
            f'epoch_N.pth of its work dir, or {NEW_RUN}.'
        )
    model = inner_model(runner.model)
    state = checkpoint['state_dict']
    foreign = sorted(set(state) - set(model.state_dict()))
    if foreign:
        raise UsageError(
            f'{name} is of another model: it has {len(foreign)} tensors more, such as {foreign[0]}: resume with the config that it '
            f'was trained with, or {NEW_RUN}.'
        )
    require_fitting_weights(model, state, name)
    _require_same_averages(runner, checkpoint, name)
    optimizers, saved = optimizers_of(runner.optim_wrapper), checkpoint['optimizer']
    saved = saved if isinstance(runner.optim_wrapper, OptimWrapperDict) else {'': saved}
    if not isinstance(saved, Mapping) or saved.keys() != optimizers.keys():
        raise _other_run(name, 'was trained with other optimizers')
    for key, optimizer in optimizers.items():
        _require_same_optimizer(optimizer, saved[key], name)
    _require_same_schedulers(runner.param_schedulers, checkpoint.get('param_schedulers'), name)
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        _require_same_steps(runner, meta['epoch'], meta['iter'], name)
    _require_same_images(runner, checkpoint['message_hub'], name)


def _shape(tensor: torch.Tensor | None) -> str:
    return 'nothing' if tensor is None else 'x'.join(map(str, tensor.shape)) or 'a number'


def _other_run(name: str, what: str) -> UsageError:
    return UsageError(
        f'{name} {what}: resume with the config that it was trained with, or {NEW_RUN}.'
    )


def _require_same_averages(runner: Runner, checkpoint: dict, name: str) -> None:
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    saved = checkpoint.get('ema_state_dict')
    if hooks and saved is None:
        raise UsageError(
            f'{name} holds no averaged weights, which this run is to keep: leave default_hooks.ema out to go on as it was, or {NEW_RUN}.'
        )
    if saved is not None and not hooks:
        raise UsageError(
            f'{name} holds averaged weights, which this run would take for the last ones: add default_hooks = dict(ema=_base_.ema) '
            f'to go on as it was, or {NEW_RUN}.'
        )
    for hook in hooks:
        own = hook.ema_model.state_dict()
        if own.keys() != saved.keys() or any(own[k].shape != saved[k].shape for k in own):
            raise _other_run(name, 'has averaged weights of another model')


def _require_same_optimizer(optimizer: torch.optim.Optimizer, saved: object, name: str) -> None:
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
    except (TypeError, KeyError, AttributeError) as error:
        raise _other_run(name, 'holds no state of an optimizer') from error
    if not same:
        raise _other_run(
            name,
            f'was trained with another optimizer than {type(optimizer).__name__}, or other parameters in it',
        )
    if unlike:
        raise _other_run(
            name, f'has {len(unlike)} averages of the optimizer in another shape than their weights'
        )


def _require_same_schedulers(schedulers, saved: object, name: str) -> None:
    if schedulers is None:
        return
    several = isinstance(schedulers, Mapping)
    own = dict(schedulers) if several else {'': schedulers}
    found = saved if several else {'': saved}
    try:
        same = own.keys() == found.keys() and all(
            scheduler.state_dict().keys() == state.keys()
            for key in own
            for scheduler, state in zip(own[key], found[key], strict=True)
        )
    except (AttributeError, TypeError, ValueError):
        # no states of schedulers, or another number of them
        same = False
    if not same:
        raise _other_run(name, 'was trained with other schedulers of the learning rate')


def _require_same_images(runner: Runner, hub: object, name: str) -> None:
    """As many steps may be of other images: of another share or fold, and then what was learnt would be scored."""
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    before = info.get('training_images') if isinstance(info, Mapping) else None
    now = training_images(runner)
    # older checkpoints do not say
    if before is not None and before != now:
        raise UsageError(
            f'{name} was trained on {str(before).split()[0]} images, and the {now.split()[0]} of this run are others: go on with the '
            f'train_fraction, fold, list and folder that it was made with, or {NEW_RUN}.'
        )


def _require_same_steps(runner: Runner, epochs: int, steps: int, name: str) -> None:
    per_epoch = len(runner.train_dataloader)
    if steps != epochs * per_epoch:
        done = steps / max(epochs, 1)
        raise UsageError(
            f'{name} has done {epochs} epochs of {done:g} steps, and {len(runner.train_dataloader.dataset)} images in batches of '
            f'{runner.train_dataloader.batch_size} make {per_epoch} steps: with another batch size, other images or another number '
            f'of processes the schedules would not fit, so go on with what it was made with, or {NEW_RUN}.'
        )
    if epochs > runner.max_epochs:
        raise UsageError(
            f'{name} has done {epochs} epochs, and train_cfg.max_epochs is {runner.max_epochs}: nothing is left to do, so test that '
            f'checkpoint, or raise train_cfg.max_epochs.'
        )
    if epochs == runner.max_epochs:
        runner.logger.info(
            f'All {epochs} epochs of {name} are done: there is nothing left to train.'
        )
