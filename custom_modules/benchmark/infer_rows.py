def infer_rows(results: dict) -> list[tuple[list[str], list[list]]]:
    """Make the tables of an inference benchmark: latencies, ratios.

    Args:
        results (dict): As in the JSON file.

    Returns:
        list[tuple[list[str], list[list]]]: Heads and rows of each table.
    """
    kinds = [
        f'{what}_{batch}'
        for batch in results['settings']['batches']
        for what in ('network', 'files')
    ]
    rows = []
    for name, one in results['contestants'].items():
        for kind in kinds:
            latency = one[kind]['latency_ms']
            what, batch = kind.split('_')
            where = 'network alone' if what == 'network' else 'from files'
            values = [
                latency['median'],
                latency['iqr'],
                latency['p95'],
                one[kind]['images_per_second'],
            ]
            rows.append([name, where, int(batch), *values])
    quotients = [
        [name, *(ratio[kind]['ratio'] for kind in kinds)]
        for name, ratio in results['ratios'].items()
    ]
    columns = ['contestant', 'what', 'batch', 'ms/batch (median)', 'IQR', 'p95', 'images/s']
    return [(columns, rows), (['project is so many times as fast as', *kinds], quotients)]
