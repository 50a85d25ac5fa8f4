from pathlib import Path

# where a run lies, which of several it is and what it tells of itself, not what it does
APART = (
    'work_dir',
    'launcher',
    'resume',
    'randomness.seed',
    'visualizer',
    'log_level',
    'log_processor',
    'default_hooks.logger',
    'default_hooks.fixed_samples',
    'default_hooks.group_rates',
    'default_hooks.run_check',
    'default_hooks.visualization',
    'default_hooks.timer',
)
# how fast, not what
SPEED = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'cache', 'cache_dir')
SPEED_OF_SCORING = ('val_dataloader.batch_size', 'test_dataloader.batch_size')


def flat_config(cfg) -> dict[str, str]:
    """Flatten what a config says about a training and its scores into texts that can be compared.

    Left out are seed and work dir, logging, and what changes the speed only. Paths are absolute.

    Args:
        cfg (mmengine.Config): The config.

    Returns:
        dict[str, str]: A text for each dotted key; lists are one value.
    """
    from custom_modules.engine.command_line import config_sections

    flat = {}

    def walk(prefix: str, value) -> None:
        if prefix in APART or prefix in SPEED_OF_SCORING or prefix.split('.')[-1] in SPEED:
            return
        if isinstance(value, dict) and value:
            for key, part in value.items():
                walk(f'{prefix}.{key}' if prefix else str(key), part)
        elif prefix:
            flat[prefix] = _text(value)

    sections = config_sections()
    walk('', {key: value for key, value in cfg.to_dict().items() if key in sections})
    if cfg.get('resume') or not cfg.get('load_from'):
        # where it went on from is its own checkpoint; none is as good as no key
        flat.pop('load_from', None)
    return flat


def _text(value) -> str:
    if isinstance(value, list | tuple):
        return '[' + ', '.join(map(_text, value)) + ']'
    if isinstance(value, dict):
        kind = value.get('type', 'dict')
        # mmengine's dumps are sorted, files are not
        arguments = ', '.join(f'{k}={_text(v)}' for k, v in sorted(value.items()) if k != 'type')
        return f'{kind}({arguments})'
    if isinstance(value, str) and '/' in value and Path(value).exists():
        return str(Path(value).resolve())
    return str(value)
