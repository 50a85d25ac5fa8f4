from .comparison import Comparison
from .paired_difference import RESAMPLES


def report_notes(comparison: Comparison, data: dict) -> list[str]:
    """Say in words what the table's numbers are.

    Args:
        comparison (Comparison): The runs.
        data (dict): What :func:`comparison_data` says of them.
    """
    test = data['test_data']
    arms = data['arms']
    notes = [
        f'Percent, at {test["width"]}x{test["height"]}, pixels of all {len(test["images"])} test images counted '
        "together, of each run's best checkpoint."
    ]
    chosen = [[result.chosen_on_test for result in arm.results] for arm in comparison.arms]
    biased = [arm['label'] for arm, own in zip(arms, chosen, strict=True) if any(own)]
    if biased:
        whose = '' if len(biased) == len(arms) else f' of {", ".join(biased)}'
        notes.append(
            f'The checkpoints{whose} were chosen on these same images, so that the scores are a little too good: the last '
            f"epoch's {data['score']} stands beside them."
        )
    if len(biased) < len(arms):
        notes.append(f"The last epoch's {data['score']} is that of the validation part, as logged.")
    if comparison.options:
        given = ', '.join(f'{key}={value}' for key, value in comparison.options.items())
        notes.append(f'Scored with {given} in every config.')
    if any(len(arm['runs']) > 1 for arm in arms):
        notes.append('± is the standard deviation over seeds (n - 1).')
    if any(len(arm['runs']) == 1 for arm in arms):
        notes.append(
            'A row without ± is of one seed: how far another would be from it is not known.'
        )
    if len(arms) > 1:
        notes.append(
            f'The difference to the first row is that of the means over seeds, with a 95 % interval over images ({RESAMPLES:,} '
            "paired bootstrap resamples); p is Wilcoxon's signed-rank test over the images' own scores, not corrected "
            'for several comparisons.'
        )
    first = arms[0]
    notes.append(
        'GFLOPs: multiply-additions of one image, each counted once. images/s: the network alone, batches of '
        f'{first["batch"]} on {first["device"]} ({data["machine"]}), one model after the other.'
    )
    return notes


def provenance(data: dict) -> str:
    """Say when and with what a report was made."""
    software = ', '.join(
        f'{name} {version}' for name, version in data['software'].items() if version
    )
    made = f'Made by tools/report.py on {data["date"]} with {software}.'
    if data['arms']:
        made += f' Test data: fingerprint {data["test_data"]["fingerprint"]}.'
    return made
