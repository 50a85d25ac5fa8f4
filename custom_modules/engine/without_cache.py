import copy


def without_cache(loader: dict) -> dict:
    """Tell a data loader's data set to keep nothing decoded: what is read once gains nothing by it.

    Args:
        loader (dict): Config of a data loader.

    Returns:
        dict: A copy without.
    """
    loader = copy.deepcopy(loader)
    if loader['dataset'].get('cache'):
        loader['dataset']['cache'] = None
    return loader
