from collections.abc import Sequence
from pathlib import Path

import cv2

from custom_modules.datasets.find_files import first_five
from custom_modules.usage_error import UsageError


def find_images(given: Sequence[str], paths: Sequence[str], part: str) -> list[int | Path]:
    """Find the images that a user names.

    Args:
        given (Sequence[str]): Names of images of the data set, with or without suffix, or paths of any image files.
        paths (Sequence[str]): The data set's images.
        part (str): What to call the data set, for the error's sentence.

    Returns:
        list[int | Path]: For each its index in ``paths``, or the file if it is not among them. A bare name that fits both is
        the data set's; one that fits several of them gives them all.

    Raises:
        UsageError: If there is no such image, or the file cannot be read as one.
    """
    files = [Path(path) for path in paths]
    resolved = {file.resolve(): index for index, file in enumerate(files)}
    found: list[int | Path] = []
    for name in given:
        own = [i for i, file in enumerate(files) if name in (file.name, file.stem)]
        path = Path(name).expanduser()
        if own:
            found += own
        elif path.resolve() in resolved:
            found.append(resolved[path.resolve()])
        elif path.is_file():
            if cv2.imread(str(path)) is None:
                raise UsageError(
                    f'{path} cannot be read as an image: give PNG, JPEG or another picture file.'
                )
            found.append(path)
        else:
            raise UsageError(
                f'there is no image {name}, neither among the {len(files)} of the {part} part '
                f'({first_five(file.stem for file in files)}) nor as a file: choose one of them, another --part, or mend the path.'
            )
    # each once, in the order given
    return list(dict.fromkeys(found))
