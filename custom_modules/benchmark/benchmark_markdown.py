from custom_modules.utils.tables import text_table

from .data_rows import data_rows
from .infer_rows import infer_rows
from .train_rows import train_rows

ROWS = dict(train=train_rows, levers=train_rows, data=data_rows, infer=infer_rows)


def benchmark_markdown(results: dict) -> str:
    """Lay out a benchmark in Markdown.

    Args:
        results (dict): As in the JSON file.

    Returns:
        str: What was measured where, and the tables.
    """
    machine, settings = results['machine'], results['settings']
    gpu = f', {machine["gpu"]}' if machine['gpu'] else ''
    versions = ', '.join(f'{n} {v}' for n, v in machine['versions'].items() if v)
    lines = [
        f'`{results["command"]}` of `{results["config"]}`, {machine["date"]}: {machine["cpu"]}, '
        f'{machine["cores"]} cores, {machine["threads"]} threads{gpu}; torch {machine["torch_build"]}; '
        f'Python {machine["python"]}; {versions}.',
        'Settings: ' + ', '.join(f'{key} {value}' for key, value in settings.items()) + '.',
        *results['left_out'].values(),
    ]
    if machine['load'] is not None and machine['load'][0] > 0.5:
        lines.append(
            f'The machine was busy when it began (load {machine["load"][0]:.1f}): times are too long, ratios rough.'
        )
    blocks = ['\n'.join(lines)]
    for columns, rows in ROWS[results['kind']](results):
        # the first line of a text table is its title
        blocks.append(text_table('', columns, rows).split('\n', 1)[1])
    titles = [f'- **{name}**: {one["title"]}' for name, one in results['contestants'].items()]
    return '\n\n'.join([*blocks, '\n'.join(titles)]) + '\n'
