import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from custom_modules.utils.errors import UsageError


@dataclass(frozen=True)
class Factor:
    """A setting and the values that it takes in turn.

    Attributes:
        key (str): The setting's dotted key.
        values (tuple[str]): Its values as they stand on the command line.
    """

    key: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> 'Factor':
        """Read ``KEY=V1,V2,...``; a comma within brackets belongs to its value.

        Args:
            text (str): As on the command line.

        Raises:
            UsageError: If it is not of that form, or a value is there twice.

        Example:
            >>> Factor.of('train_dataloader.batch_size=4,8').values
            ('4', '8')
            >>> Factor.of('model.backbone.widths=[4,8],[8,16]').values
            ('[4,8]', '[8,16]')
        """
        key, equals, rest = text.partition('=')
        values = _split(rest)
        if not key or not equals or not all(values) or len(set(values)) < len(values):
            raise UsageError(
                f'--vary takes KEY=V1,V2,... with different values, such as train_dataloader.batch_size=4,8, got {text!r}.'
            )
        return cls(key, values)


def combinations(factors: Sequence[Factor]) -> list[tuple[str, list[str]]]:
    """Combine every value of each factor with every value of the others.

    Args:
        factors (Sequence[Factor]): The factors; without any there is one combination, that changes nothing.

    Returns:
        list[tuple[str, list[str]]]: For each combination what it adds to a folder's name, and its options.

    Raises:
        UsageError: If a key is there twice.

    Example:
        >>> combinations([Factor('a.lr', ('1e-3',)), Factor('b.size', ('(4,4)', '(8,8)'))])[1]
        ('__lr_1e-3__size_8-8', ['a.lr=1e-3', 'b.size=(8,8)'])
    """
    keys = [factor.key for factor in factors]
    if len(set(keys)) < len(keys):
        raise UsageError(
            f'--vary names a setting twice ({", ".join(keys)}): give all its values at once.'
        )
    names = _short_names(keys)
    return [
        (
            ''.join(f'__{name}_{_word(value)}' for name, value in zip(names, values, strict=True)),
            [f'{key}={value}' for key, value in zip(keys, values, strict=True)],
        )
        for values in itertools.product(*(factor.values for factor in factors))
    ]


def _split(text: str) -> tuple[str, ...]:
    parts, depth = [''], 0
    for letter in text:
        depth += (letter in '([') - (letter in ')]')
        if letter == ',' and depth == 0:
            parts.append('')
        else:
            parts[-1] += letter
    return tuple(part.strip() for part in parts)


def _short_names(keys: Sequence[str]) -> list[str]:
    """Cut each key to its last words, as many as tell it from the others."""
    for depth in range(1, 20):
        names = ['.'.join(key.split('.')[-depth:]) for key in keys]
        if len(set(names)) == len(names):
            break
    return names


def _word(value: str) -> str:
    # of a file its name
    value = PurePath(value).stem if '/' in value else value
    return re.sub(r'[^\w.+-]+', '-', value).strip('-')
