import base64
import os
import re
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np

from custom_modules.evaluation.draw_confusion import draw_confusion
from custom_modules.visualization.error_map import ERROR_COLOURS

from .comparison import Comparison
from .draw_learning_curves import draw_learning_curves
from .draw_models import draw_models
from .gallery import gallery, png
from .report_notes import provenance, report_notes

TEMPLATES = Path(__file__).parent / 'templates'


def report_pages(comparison: Comparison, data: dict, out: Path, title: str) -> dict[str, bytes]:
    """Make the files of a report: a Markdown page with its pictures, and an HTML page that needs no other file.

    Args:
        comparison (Comparison): The runs.
        data (dict): What :func:`comparison_data` says of them; every number on the pages is from here.
        out (Path): The report's folder, for links to configs.
        title (str): The heading.

    Returns:
        dict[str, bytes]: The content of each file, by its path within the folder.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and '.html' in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters['cell'] = lambda text: re.sub(r'([\\`*_<>\[\]|])', r'\\\1', str(text))
    files, rows = {}, []
    for arm, entry in zip(comparison.arms, data['arms'], strict=True):
        entry['link'] = arm.source and quote(
            Path(os.path.relpath(arm.source, out.resolve())).as_posix()
        )
    values = dict(data=data, title=title, provenance=provenance(data))
    if comparison.arms:
        for number, (name, cells) in enumerate(gallery(comparison).items()):
            file = f'{number:02d}_{_safe(name)}.png'
            files[f'pictures/{file}'] = draw_models(cells)
            shown = [dict(caption=caption, src=_inline(png(image))) for caption, image in cells]
            rows.append(dict(name=name, file=file, cells=shown))
        files['pictures/learning_curves.png'] = draw_learning_curves(
            [result.run for arm in comparison.arms for result in arm.results],
            [
                label
                for label, arm in zip(comparison.labels(), comparison.arms, strict=True)
                for _ in arm.results
            ],
        )
        values |= dict(
            gallery=rows,
            curves=_inline(files['pictures/learning_curves.png']),
            score_names=_score_names(data['test_data']['classes']),
            notes=report_notes(comparison, data),
            decided=[arm for arm in data['arms'] if (arm['against_first'] or {}).get('decisive')],
            legend="Each model's errors over the darkened image, at the resolution of the score"
            f'{"; of several seeds the lowest" if any(len(arm.results) > 1 for arm in comparison.arms) else ""}: '
            f'{", ".join(f"{name} {colour}" for name, colour in zip(ERROR_COLOURS, ("blue", "yellow", "red", "violet"), strict=True))}.',
            colours=ERROR_COLOURS,
        )
    for number, entry in enumerate(data['classifiers']):
        entry['picture'] = f'confusion_{number:02d}_{_safe(entry["label"])}.png'
        shares = np.array(entry['confusion_matrix'], float)
        names = [row['name'] for row in entry['classes']]
        picture = draw_confusion(shares, names)
        files[f'pictures/{entry["picture"]}'] = picture
        entry['src'] = _inline(picture)
    for page in ('report.md', 'report.html'):
        files[page] = pages.get_template(f'{page}.jinja').render(values).encode()
    for entry in data['classifiers']:
        # the pages' own
        del entry['src']
    return files


def _score_names(classes: list[str]) -> list[str]:
    objects = classes[1:]
    own = [f'{name}_{score}' for score in ('Dice', 'IoU') for name in objects]
    return [*own, 'mDice', 'mIoU', 'aAcc']


def _inline(picture: bytes) -> str:
    return 'data:image/png;base64,' + base64.b64encode(picture).decode()


def _safe(name: str) -> str:
    return re.sub(r'[^\w.-]', '_', name)
