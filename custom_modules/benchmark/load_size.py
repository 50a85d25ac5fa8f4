from custom_modules.usage_error import UsageError


def load_size(cfg) -> tuple[int, int]:
    """Return width and height at which a config's training images enter the network.

    Args:
        cfg (mmengine.Config): The config of a segmentor.

    Raises:
        UsageError: If its data set has no ``load_size``: the contestants could not be given the same images.
    """
    size = cfg.train_dataloader.dataset.get('load_size')
    if size is None:
        raise UsageError(
            "the training set has no load_size, which the other contestants' images are resized to: give it with "
            '--cfg-options "train_dataloader.dataset.load_size=(128,128)" "val_dataloader.dataset.load_size=(128,128)".'
        )
    return tuple(size)
