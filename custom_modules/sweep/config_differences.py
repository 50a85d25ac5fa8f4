from custom_modules.reporting.config_changes import flat_config

SHOWN = 3


def config_differences(before, now) -> str:
    """Name what differs between two configs in what they train and score.

    Args:
        before (mmengine.Config): The config of a run that is there.
        now (mmengine.Config): The config of a run that is wanted.

    Returns:
        str: The first differences in words; empty if there is none. Seed, work dir, logging and speed do not count.

    Example:
        >>> from mmengine.config import Config
        >>> one, two = (Config(dict(train_cfg=dict(max_epochs=n))) for n in (40, 60))
        >>> config_differences(one, two)
        'train_cfg.max_epochs is 60 and was 40'
    """
    before, now = flat_config(before), flat_config(now)
    keys = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    shown = [
        f'{key} is {_short(now.get(key))} and was {_short(before.get(key))}' for key in keys[:SHOWN]
    ]
    more = [f'{len(keys) - SHOWN} more'] if len(keys) > SHOWN else []
    return '; '.join(shown + more)


def _short(text: str | None) -> str:
    if text is None:
        return 'not there'
    return text if len(text) <= 60 else f'{text[:57]}...'
