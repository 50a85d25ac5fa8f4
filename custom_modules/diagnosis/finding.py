from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        level (str): ``'ok'``, ``'info'`` (worth knowing), ``'warning'`` (works, or not always) or
            ``'problem'`` (something fails until it is mended).
        text (str): What was found, in a sentence.
        remedy (str): What to do, a command where there is one. Defaults to none.

    Example:
        >>> print(Finding('problem', 'numpy is not installed', 'pip install numpy'))
        problem  numpy is not installed
                 -> pip install numpy
    """

    level: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        """Lay out: the level in a column of its own, the remedy below."""
        return f'{self.level:<8} {self.text}' + f'\n{"":8} -> {self.remedy}' * bool(self.remedy)
