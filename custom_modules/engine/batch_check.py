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
