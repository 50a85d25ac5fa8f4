"""What a network is made of: its stages, read from the modules while an image runs through them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn as nn

# what stands before or behind a layer and changes neither channels nor size
MINOR = ('BatchNorm', 'SyncBatchNorm', 'ReLU', 'Dropout', 'Identity', 'Sigmoid')
TITLES = {
    'DoubleConv': 'double 3x3 convolution',
    'BasicBlock': 'basic block',
    'Bottleneck': 'bottleneck block',
    'GlobalAveragePooling': 'global average pool',
    'AdaptiveAvgPool2d': 'global average pool',
    'GreyStandardize': 'grey, own mean and deviation',
    'Linear': 'linear layer',
}


@dataclass(frozen=True)
class Stage:
    """One stage of a network, as an image of the input size runs through it."""

    name: str  # what to call it: stem, stage 1, up 1, output, or the module's own name
    part: str  # the model's attribute that it is in, such as backbone
    block: str  # what it is made of
    in_channels: int | None  # of its input; None where it is not used
    channels: int | None  # of its output; None where it is not used
    # how many pixels of the input's side one pixel of the output stands for; None where it is not a whole number
    stride: int | None
    size: tuple[int, int] | None  # height and width of its output; None for a vector
    parameters: int
    frozen: str = ''  # when they do not train: '' for never, 'always', or 'for 10 epochs'
    inputs: tuple[str, ...] = ()  # the stages whose output it takes, 'input' is the image
    skip: str = ''  # the one of them that comes as a skip connection
    adapter: str = ''  # what the skip connection passes


@dataclass(frozen=True)
class Architecture:
    """The stages of a network, in the order in which an image of a size (height, width) meets them."""

    name: str
    size: tuple[int, int]
    stages: tuple[Stage, ...]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def is_u_shaped(self) -> bool:
        """Whether it is a U-Net: several levels of a decoder take skip connections."""
        return sum(bool(stage.skip) for stage in self.stages) > 1


def describe_architecture(model: nn.Module, size: tuple[int, int], cfg: Mapping) -> Architecture:
    """Run an image of a height and width through a model of mmseg or mmpretrain, in eval mode, and note what each stage does.

    The config says what is frozen and when.
    """
    parts = {k: child for k, child in model.named_children() if k != 'data_preprocessor'}
    groups = [(part, *g) for part, child in parts.items() for g in _stage_modules(part, child)]
    calls = _record(model, [module for *_, modules in groups for module in modules], size)
    groups.sort(key=lambda group: next((calls[m].order for m in group[2] if m in calls), len(calls)))
    stages, owners, waiting = [], {}, ['input']
    schedule = _freeze_schedule(cfg)
    for part, name, modules in groups:
        own = [calls[module] for module in modules if module in calls]
        parameters = sum(p.numel() for module in modules for p in module.parameters())
        block = ', '.join(filter(None, map(_block, modules)))
        if not parameters and not (own and block):
            # not used, or hands its input through
            continue
        inputs, output = (own[0].inputs, own[-1].output) if own else ((), None)
        pixels = tuple(output.shape[2:]) if output is not None and output.ndim == 4 else None
        # a pooled vector has none
        strided = pixels and pixels[0] > 1 and size[0] % pixels[0] == 0
        sources, skip = _origins(modules, inputs, owners, stages, waiting)
        waiting = [source for source in waiting if source not in sources]
        skips = [stage.size for stage in stages if stage.name == skip]
        stage = Stage(
            name=name,
            part=part,
            block=block,
            in_channels=inputs[0].shape[1] if inputs else None,
            channels=output.shape[1] if output is not None else None,
            stride=size[0] // pixels[0] if strided else None,
            size=pixels,
            parameters=parameters,
            frozen=_frozen(part, name, schedule),
            inputs=tuple(sources),
            skip=skip,
            adapter=_adapter(modules, skips, pixels),
        )
        stages.append(stage)
        if output is not None:
            owners[_key(output)] = name
            waiting.append(name)
    kinds = [type(each).__name__ for each in (model, *parts.values())]
    return Architecture(' + '.join(kinds), tuple(size), tuple(stages))


def _origins(modules, inputs, owners: Mapping, before: Sequence[Stage], waiting) -> tuple[list[str], str]:
    """Name the stages that a stage's input comes from, and the one of them that comes as a skip connection.

    A tensor that no stage has put out was made of several, or resized: of all outputs that nothing has taken yet.
    """
    found = [owners.get(_key(tensor)) for tensor in inputs]
    if not any(hasattr(module, 'adapter') for module in modules):
        return list(dict.fromkeys(filter(None, found))) or list(waiting), ''
    if found[1] is None:
        # resized on its way: the deepest stage that no level has taken yet
        taken = {stage.skip for stage in before}
        kept = [stage.name for stage in before if stage.part == 'backbone']
        found[1] = next(name for name in reversed(kept) if name not in taken)
    return [found[0] or before[-1].name, found[1]], found[1]


class _Call(NamedTuple):
    order: int
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor


@torch.no_grad()
def _record(model: nn.Module, modules: Sequence[nn.Module], size: tuple[int, int]) -> dict[nn.Module, _Call]:
    calls = {}

    def note(module: nn.Module, inputs: tuple, output: object) -> None:
        # the tensors stay alive, so that no other one takes their place in memory
        calls.setdefault(module, _Call(len(calls), tuple(_tensors(inputs)), list(_tensors(output))[-1]))

    with ExitStack() as hooks:
        for module in modules:
            hooks.enter_context(module.register_forward_hook(note))
        model(torch.zeros(1, 3, *size, device=next(model.parameters()).device), mode='tensor')
    return calls


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _key(tensor: torch.Tensor) -> tuple:
    return tensor.data_ptr(), tuple(tensor.shape)


def _stage_modules(part: str, module: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Cut a part of a model into stages: its children, those of a list one by one, a norm with the layer before it."""
    children = []
    for name, child in module.named_children():
        if 'loss' in name.lower():
            continue
        if type(child).forward is nn.Module.forward:
            # a list of modules, which is not called itself
            children += [(f'{name}.{key}', inner) for key, inner in child.named_children()]
        else:
            children.append((name, child))
    groups: list[tuple[str, list[nn.Module]]] = []
    for name, child in children or [('', module)]:
        if groups and type(child).__name__.startswith(MINOR) and name.split('.')[0] != 'dropout':
            groups[-1][1].append(child)
        else:
            groups.append((_title(part, name), [child]))
    return groups


def _title(part: str, name: str) -> str:
    known = {'conv1': 'stem', 'stages.0': 'stem', 'conv_seg': 'output', 'fc': 'output'}
    known |= {'maxpool': 'max pool', 'gap': 'pool', 'grey_standardize': 'grey'}
    if name in known:
        return known[name]
    if found := re.fullmatch(r'(?:stages\.|layer)(\d+)', name):
        return f'stage {int(found[1])}'
    if found := re.fullmatch(r'levels\.(\d+)', name):
        return f'up {int(found[1]) + 1}'
    return name.replace('_', ' ') or part


def _block(module: nn.Module) -> str:
    kind = type(module).__name__
    if kind.startswith(MINOR):
        return ''
    if kind in TITLES:
        return TITLES[kind]
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(module)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        what = 'max' if isinstance(module, nn.MaxPool2d) else 'average'
        side = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
        return f'{side}x{side} {what} pool'
    if kind == 'DepthwiseSeparableConvModule':
        return _block(module.depthwise_conv).replace('convolution', 'separable convolution')
    if hasattr(module, 'adapter'):
        # an UpBlock, whose adapter stands with its skip connection
        up = _block(module.up) or 'bilinear enlargement'
        return f'{up}, {_block(module.conv)}'
    texts = [text for child in module.children() if (text := _block(child))]
    counted = [(text, len(list(same))) for text, same in groupby(texts)]
    text = ', '.join(f'{count} x {text}' if count > 1 else text for text, count in counted)
    # what holds nothing hands its input through
    return text or ('' if isinstance(module, nn.Sequential) else kind)


def _convolution(module: nn.Conv2d | nn.ConvTranspose2d) -> str:
    height, width = module.kernel_size
    transposed = isinstance(module, nn.ConvTranspose2d)
    text = f'{width}x{height} {"transposed " * transposed}convolution'
    if module.stride[0] > 1 and not transposed:
        text += f', stride {module.stride[0]}'
    if module.dilation[0] > 1:
        text += f', dilation {module.dilation[0]}'
    return text


def _adapter(modules: Sequence[nn.Module], skips: Sequence[tuple[int, int]], size: tuple[int, int] | None) -> str:
    adapter = next((m.adapter for m in modules if hasattr(m, 'adapter')), None)
    texts = []
    if skips and skips[0] != size:
        texts.append(f'resized to {size[1]}x{size[0]}')
    if isinstance(adapter, nn.Conv2d):
        channels = f'{adapter.in_channels} to {adapter.out_channels} channels'
        texts.append(f'{_convolution(adapter)}, {channels}')
    return ', '.join(texts)


def _freeze_schedule(cfg: Mapping) -> dict[int, int]:
    """From which epoch on how many stages of the backbone are frozen (-1 none)."""
    for hook in [*(cfg.get('default_hooks') or {}).values(), *(cfg.get('custom_hooks') or ())]:
        if hook and hook.get('type') == 'FreezeScheduleHook':
            schedule = {int(epoch): int(stages) for epoch, stages in hook['schedule'].items()}
            return dict(sorted(schedule.items()))
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    return {0: int(backbone.get('frozen_stages', -1))}


def _frozen(part: str, name: str, schedule: Mapping[int, int]) -> str:
    found = re.fullmatch(r'stem|stage (\d+)', name)
    if part != 'backbone' or not found:
        return ''
    number = int(found[1] or 0)
    epochs, asleep = list(schedule), [stages >= number for stages in schedule.values()]
    if all(asleep) or not any(asleep):
        return 'always' if any(asleep) else ''
    # the first epoch after the last that it sleeps through
    awake = len(asleep) - asleep[::-1].index(True)
    return f'for {epochs[awake]} epochs' if awake < len(epochs) else 'at the end'
