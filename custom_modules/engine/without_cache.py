import copy

from .nested_configs import data_set_configs


def without_cache(loader: dict) -> dict:
    """Tell a data loader's data set to keep nothing decoded: what is read once gains nothing by it.

    Args:
        loader (dict): Config of a data loader.

    Returns:
        dict: A copy without.
    """
    loader = copy.deepcopy(loader)
    for _, dataset in data_set_configs('dataset', loader['dataset']):
        if dataset.get('cache'):
            dataset['cache'] = None
    return loader
