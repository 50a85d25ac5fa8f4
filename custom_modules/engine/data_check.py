from mmengine.registry import DATASETS

from custom_modules.usage_error import UsageError


def require_a_batch(runner) -> None:
    """Refuse a training set that gives no batch: there would be epochs without a step, or a traceback.

    Args:
        runner (Runner): The runner, before it trains.

    Raises:
        UsageError: With the sizes of set and batch.
    """
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise UsageError(
            f'the {len(loader.dataset)} training images give no batch of {loader.batch_size} with '
            'drop_last=True: add images or lower train_dataloader.batch_size.'
        )


def require_sound_test_set(cfg) -> None:
    """Build the test set once, which checks it: a training does not, and would leave its faults for later.

    Args:
        cfg (mmengine.Config): The config; its default scope is in force.

    Raises:
        UsageError: As the data set.
    """
    test, val = (cfg.get(f'{part}_dataloader') or {} for part in ('test', 'val'))
    if test.get('dataset') and test['dataset'] != val.get('dataset'):
        DATASETS.build(test['dataset'])


def require_one_augmentation(cfg) -> None:
    """Refuse a training whose images would be flipped, turned or brightened twice: one by one, and again as a batch.

    Args:
        cfg (mmengine.Config): The config.

    Raises:
        UsageError: With what is there twice.
    """
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    of_batch = {name.removeprefix('Batch') for name in _types(preprocessor.get('augments'))}
    # the affine map turns as well
    of_batch |= {'RandomRotate'} if 'RandomAffine' in of_batch else set()
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    twice = [name for name in _types(dataset.get('pipeline')) if name in of_batch]
    if twice:
        raise UsageError(
            f'{", ".join(twice)} of the training pipeline would be done again by the data preprocessor, on the whole batch: '
            'set train_dataloader.dataset.pipeline=_base_.plain_pipeline in the config, or leave '
            'model.data_preprocessor=_base_.batch_augments... out.'
        )


def _types(steps: list | None) -> list[str]:
    """Name the steps, those within a choice of steps too."""
    names = []
    for step in steps or ():
        if isinstance(step, list | tuple):
            names += _types(step)
        else:
            names += [step['type'], *_types(step.get('augments')), *_types(step.get('transforms'))]
    return names
