from dataclasses import asdict, dataclass

# kind: whether it breaks or falsifies a training, what it is, what helps
KINDS = {
    'image_without_mask': (True, 'image without a mask', 'add the masks or remove the images'),
    'listed_without_file': (True, 'id in ann_file without a file', 'correct the list'),
    'unreadable_image': (True, 'unreadable image', 'copy or download them again'),
    'unreadable_mask': (True, 'unreadable mask', 'copy or download them again'),
    'several_channels': (
        True,
        'mask with several channels',
        'save them with one channel that holds the class index of each pixel',
    ),
    'stray_values': (
        True,
        'mask with values that no class has',
        'save them as PNG without smoothing, or name the values in label_map or ignore_index',
    ),
    'size_mismatch': (
        True,
        'mask of another size than its image',
        'resize the mask with nearest neighbour',
    ),
    'duplicate_across_parts': (
        True,
        'same picture in several parts',
        'keep one of them, or scores tell what was learned by heart',
    ),
    'id_in_several_parts': (
        True,
        'same id in several parts',
        'list each id once, or rename what are different scenes',
    ),
    'no_sound_pair': (True, 'part without a sound pair', 'add pairs, or mend the defects'),
    'no_object': (
        True,
        'part without a pixel of any class but the first',
        'check the masks, or choose another split',
    ),
    'mask_without_image': (False, 'mask without an image', 'they are not used'),
    'empty_mask': (
        False,
        'empty mask: nothing is drawn, or all is ignored',
        'check that there is nothing to see in the image',
    ),
    'background_only_mask': (
        False,
        'mask of background only (empty ones too)',
        'check that there is nothing to see in the image',
    ),
    'duplicate_within_part': (False, 'same picture twice in a part', 'it counts twice'),
    'absent_class': (
        False,
        'class without a pixel in a part',
        'it can neither be learned nor scored there',
    ),
    'pair_in_no_part': (False, 'pair that no part takes', 'they are not used'),
}


@dataclass(frozen=True)
class Defect:
    """Everything of one kind that is wrong in one part.

    Args:
        kind (str): One of ``KINDS``.
        part (str): Name of the part, or parts.
        files (list[str]): What it concerns, each with its details.
    """

    kind: str
    part: str
    files: list[str]

    @property
    def breaks(self) -> bool:
        """Whether it breaks or falsifies a training; else it is worth a look."""
        return KINDS[self.kind][0]

    def to_json(self) -> dict:
        """Return the defect with its words, ready for JSON."""
        _, what, remedy = KINDS[self.kind]
        return dict(asdict(self), what=what, remedy=remedy, count=len(self.files))
