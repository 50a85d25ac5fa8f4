from custom_modules.usage_error import UsageError

from .nested_configs import type_name

INSTEAD = {
    'DiceLoss': ('is inverted', 'BinaryDiceLoss'),
    'TverskyLoss': ('is constantly 0', 'BinaryTverskyLoss'),
    'FocalLoss': ('raises', 'BinaryFocalLoss'),
}


def require_sound_loss(key: str, loss: dict, channels: int) -> None:
    """Refuse a loss that fails, or teaches nothing or the opposite, with a head of so many channels.

    Args:
        key (str): Where the loss stands in the config, for the sentence.
        loss (dict): The loss's own config.
        channels (int): The head's output channels.

    Raises:
        UsageError: With what to write instead.
    """
    name = type_name(loss)
    sigmoid = loss.get('use_sigmoid', False)
    weighted = loss.get('class_weight') is not None
    fault = None
    if channels == 1 and name in INSTEAD:
        what, better = INSTEAD[name]
        fault = f"mmseg's {name} {what} with one output channel: use {better}"
    elif channels == 1 and name == 'CrossEntropyLoss' and not sigmoid:
        fault = 'a softmax over one output channel is constantly 1, and its loss 0: set use_sigmoid=True'
    elif (
        channels == 1
        and name == 'LovaszLoss'
        and not (loss.get('loss_type') == 'binary' and loss.get('per_image'))
    ):
        fault = "LovaszLoss for one output channel needs loss_type='binary' and per_image=True"
    elif channels > 1 and name in {better for _, better in INSTEAD.values()}:
        fault = (
            f"{name} is for one output channel, and the head has {channels}: use mmseg's "
            f'{name.removeprefix("Binary")}'
        )
    elif channels > 1 and name == 'CrossEntropyLoss' and weighted and sigmoid:
        fault = 'mmseg cannot weight the classes of several sigmoids: set use_sigmoid=False or class_weight=None'
    elif channels > 1 and name == 'CrossEntropyLoss' and weighted and loss.get('avg_non_ignore'):
        fault = 'mmseg raises with class_weight and avg_non_ignore=True: set avg_non_ignore=False'
    if fault:
        raise UsageError(f'{key}: {fault}.')
