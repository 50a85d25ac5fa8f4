def infer_rows(results: dict) -> list[tuple[list[str], list[list]]]:
    """Make the tables of an inference benchmark: latencies, memory, ratios.

    The limit's network alone is the project's, and has a row only where the project's is not channels-last.

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
            if kind not in one:
                continue
            latency = one[kind]['latency_ms']
            what, batch = kind.split('_')
            ended = 'from memory' if name == 'limit' else 'from files'
            where = 'network alone' if what == 'network' else ended
            values = [
                latency['median'],
                latency['iqr'],
                latency['p95'],
                one[kind]['images_per_second'],
            ]
            rows.append([name, where, int(batch), *values])
    quotients = [
        [name, *(ratio[kind]['ratio'] if kind in ratio else None for kind in kinds)]
        for name, ratio in results['ratios'].items()
    ]
    columns = ['contestant', 'what', 'batch', 'ms/batch (median)', 'IQR', 'p95', 'images/s']
    memory = [
        [name, *(one['memory_mib'][key] for key in ('main', 'gpu'))]
        for name, one in results['contestants'].items()
    ]
    heads = ['contestant', 'peak MiB', 'GPU MiB']
    return [
        (columns, rows),
        (heads, memory),
        (['project is so many times as fast as', *kinds], quotients),
    ]
