import json
from pathlib import Path

from custom_modules.preparation.png_file import PngFile

from .draw_class_distribution import draw_class_distribution
from .draw_image_sizes import draw_image_sizes
from .draw_object_sizes import draw_object_sizes
from .draw_sample_sheet import draw_sample_sheet
from .markdown_report import markdown_report
from .sample import Sample
from .subject import Subject
from .verdict import verdict

SUMMARY = 'eda_summary.json'


def write_report(out: Path, subject: Subject, summary: dict, sample: Sample) -> list[str]:
    """Write the pictures, the page and, when all else is there, the summary.

    Args:
        out (Path): The folder.
        subject (Subject): The data set.
        summary (dict): What was found.
        sample (Sample): The pairs to show.

    Returns:
        list[str]: The verdict, for the command line.
    """
    classes, palette = subject.classes, subject.palette
    statistics = summary['statistics']
    everything = list(statistics.values())[-1]
    training = statistics.get(summary['training_part'], everything)
    pixel = None
    if subject.load_size and (size := next(iter(training['image_sizes']), None)):
        width, height = map(int, size.split('x'))
        pixel = width * height / (subject.load_size[0] * subject.load_size[1])
    lines = verdict(summary)
    contents = {
        'class_distribution.png': draw_class_distribution(statistics, classes),
        'image_sizes.png': draw_image_sizes(everything['image_sizes']),
        'object_sizes.png': draw_object_sizes(
            training['objects'], palette, pixel, subject.load_size
        ),
        'sample_sheet.png': draw_sample_sheet(sample.shown(), classes, palette, summary['seed']),
        'eda_summary.md': markdown_report(summary, lines).encode(errors='backslashreplace'),
        SUMMARY: json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False).encode(
            errors='backslashreplace'
        ),
    }
    for name, content in contents.items():
        # all or nothing, as AtomicLocalBackend, which would bring torch with it
        PngFile(out / name).write_bytes(content)
    return lines
