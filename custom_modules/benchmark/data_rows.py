def data_rows(results: dict) -> list[tuple[list[str], list[list]]]:
    """Make the tables of a data benchmark: images per second, memory, ratios.

    Args:
        results (dict): As in the JSON file.

    Returns:
        list[tuple[list[str], list[list]]]: Heads and rows of each table.
    """
    rows = []
    for name, one in results['contestants'].items():
        row = [name, one['workers'], one['build_seconds']['median']]
        for epoch in ('first', 'second'):
            row += [one[f'{epoch}_images_per_second'], one[f'{epoch}_seconds']['iqr']]
        # with the cache's pages counted once, whoever reads them
        rows.append([*row, one['memory_mib']['shared_once']])
    epochs = ('first_seconds', 'second_seconds')
    quotients = [
        [name, *(ratio[epoch]['ratio'] for epoch in epochs)]
        for name, ratio in results['ratios'].items()
    ]
    columns = [
        'loader',
        'workers',
        's to build',
        'images/s, 1st epoch',
        'IQR (s)',
        'images/s, 2nd epoch',
        'IQR (s)',
        'MiB in all',
    ]
    heads = ['project is so many times as fast as', '1st epoch', '2nd epoch']
    return [(columns, rows), (heads, quotients)]
