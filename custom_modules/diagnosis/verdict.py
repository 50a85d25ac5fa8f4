# an old Python must be able to read this file
from __future__ import annotations

from collections.abc import Iterable

from .finding import Finding


def verdict(findings: Iterable[Finding]) -> tuple[str, int]:
    """Sum up.

    Args:
        findings (Iterable[Finding]): What was found.

    Returns:
        tuple[str, int]: A sentence and the exit code: 1 if there is a problem, 0 otherwise.

    Example:
        >>> verdict([Finding('ok', 'x'), Finding('warning', 'y')])
        ('Ready, with 1 warning: training and testing should work.', 0)
        >>> verdict([Finding('problem', 'x'), Finding('problem', 'y'), Finding('warning', 'z')])
        ('2 problems: mend them from the top, one may cause the next, and run this again.', 1)
    """
    levels = [finding.level for finding in findings]
    problems, warnings = levels.count('problem'), levels.count('warning')
    if problems == 1:
        return '1 problem: mend it and run this again.', 1
    if problems:
        return (
            f'{problems} problems: mend them from the top, one may cause the next, and run this again.',
            1,
        )
    noted = f', with {warnings} warning{"s" * (warnings > 1)}' * bool(warnings)
    return f'Ready{noted}: training and testing should work.', 0
