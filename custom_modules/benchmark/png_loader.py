import multiprocessing

from torch.utils.data import DataLoader

from .png_pairs import PngPairs


def png_loader(settings: dict, train: bool) -> DataLoader:
    """Make a loader of files as a user of plain PyTorch has it.

    Args:
        settings (dict): Of :func:`smp_settings`.
        train (bool): Whether to load the training pairs, flipped and shuffled, or those for validation.

    Returns:
        DataLoader: Gives images (N, 3, H, W) and labels (N, H, W).
    """
    # a spawned process, as a contestant's, would spawn its workers too: a user's script forks them
    fork = settings['workers'] > 0 and 'fork' in multiprocessing.get_all_start_methods()
    return DataLoader(
        PngPairs(
            settings['train' if train else 'val'],
            settings['size'],
            settings['label_map'],
            settings['mean'],
            settings['std'],
            flip=train,
        ),
        shuffle=train,
        drop_last=train and settings['drop_last'],
        batch_size=settings['batch'],
        num_workers=settings['workers'],
        multiprocessing_context='fork' if fork else None,
        persistent_workers=settings['workers'] > 0,
    )
