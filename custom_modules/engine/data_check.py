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
