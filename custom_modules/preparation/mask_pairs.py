"""Images and the index masks that belong to them."""

from pathlib import Path

from custom_modules.usage_error import UsageError


class MaskPairs:
    """Finds pairs by what their names have behind a prefix, sub-folders included.

    Args:
        images: Folder with `<img_prefix>0001.png`, `.jpg` or `.jpeg`.
        masks: Folder with `<mask_prefix>0001.png`.
        img_prefix: What an image's name has before what both share.
        mask_prefix: What a mask's name has before it.

    Attributes:
        images: Folder of the images.
        pairs: List of (image path, mask path).
        unused: Files that are named otherwise.

    Raises:
        UsageError: A folder is missing or holds none, an image or a mask stands alone, or two
            images share a mask.
    """

    SUFFIXES = ('.png', '.jpg', '.jpeg')

    def __init__(self, images, masks, img_prefix='', mask_prefix=''):
        self.images = Path(images)
        self.unused = []
        found = self._find(self.images, img_prefix, self.SUFFIXES)
        drawn = self._find(Path(masks), mask_prefix, self.SUFFIXES[:1])
        for what, alone in (
            ('images have no mask', found.keys() - drawn),
            ('masks have no image', drawn.keys() - found),
        ):
            if alone:
                raise UsageError(
                    f'{len(alone)} {what} in {images} and {masks} ({", ".join(sorted(alone)[:5])}): add what '
                    'is missing, or name the prefixes with --img-prefix and --mask-prefix.'
                )
        self.pairs = [(found[name], drawn[name]) for name in sorted(found)]

    def _find(self, folder, prefix, suffixes):
        if not folder.is_dir():
            raise UsageError(f'{folder} is not a folder.')
        found = {}
        for path in sorted(folder.rglob('[!.]*')):
            stem = path.stem.removeprefix(prefix)
            name = (path.relative_to(folder).parent / stem).as_posix()
            if not path.is_file():
                continue
            if not path.stem.startswith(prefix) or not stem or path.suffix.lower() not in suffixes:
                self.unused.append(path)
            elif name in found:
                raise UsageError(
                    f'{found[name]} and {path} would share a mask: rename one of them.'
                )
            else:
                found[name] = path
        if not found:
            raise UsageError(
                f'{folder} holds no file named {prefix}* with the ending {" or ".join(suffixes)}.'
            )
        return found
