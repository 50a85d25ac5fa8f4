from custom_modules.datasets.find_files import first_five


def verdict(summary: dict) -> list[str]:
    """Say the most important in a few lines.

    Args:
        summary (dict): What ``eda_summary.json`` holds.

    Returns:
        list[str]: One sentence each.
    """
    parts = ', '.join(f'{name} {found["sound_pairs"]}' for name, found in summary['parts'].items())
    same = ''.join(f'; {part} equals {other}' for part, other in summary['same_parts'].items())
    lines = [f'{"SOUND" if summary["sound"] else "NOT SOUND"}: sound pairs: {parts}{same}.']
    for word, key in (('defect', 'errors'), ('warning', 'warnings')):
        lines += [
            f'{word}: {d["count"]} x {d["what"]} ({d["part"]}): {first_five(d["files"])}; {d["remedy"]}.'
            for d in summary[key]
        ]
    training = summary['training_part']
    found = summary['statistics'].get(training)
    if not found or not found['pairs']:
        return lines
    size = 'x'.join(map(str, summary['load_size'] or (128, 128)))
    ceiling = {c['name']: c for c in found['squeezed'][size]['classes']}
    for row, objects in zip(found['classes'][1:], found['objects'], strict=True):
        if not objects['count']:
            continue
        line = (
            f'{row["name"]}: {row["share_percent"]:.2f} % of the pixels of {training}, {objects["count"]} objects '
            f'of {objects["pixels"]["50"]:g} pixels (median)'
        )
        if small := objects['at_load_size']:
            line += f', at {size} {small["pixels"]["50"]:.1f}, {small["below_one_pixel_percent"]:.0f} % below one'
        lines.append(
            f'{line}; the true mask squeezed to {size} and back scores Dice {ceiling[row["name"]]["dice"]:.2f}.'
        )
    weights = summary['class_weights']
    if weights['reason'] is None:
        for key in ('inverse_frequency', 'median_frequency'):
            values = ', '.join(f'{weight:.3g}' for weight in weights[key])
            lines.append(f'class_weight=[{values}] by {key.replace("_", " ")}.')
        if 'positive_weight' in weights:
            lines.append(
                f'class_weight=[{weights["positive_weight"]:.3g}] for a head of one channel.'
            )
    return lines
