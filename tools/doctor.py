"""Check the installation and say what is wrong with it, also where packages are missing or broken.

Exit code 0: ready, perhaps with warnings; 1: problems, each with what to do.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def verdict(levels: list) -> tuple:
    """Summarize the levels of all findings in a sentence, with the exit code."""
    problems, warnings = levels.count('problem'), levels.count('warning')
    if problems:
        return f'{problems} problem{"s" if problems > 1 else ""}: mend the first and run this again.', 1
    noted = f', with {warnings} warning{"s" if warnings > 1 else ""}' if warnings else ''
    return f'Ready{noted}: training and testing should work.', 0


def main() -> int:
    """Check and print."""
    shape = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=shape).parse_args()
    if sys.version_info < (3, 10):  # noqa: UP036
        # it cannot parse the other modules
        print(f'problem  Python {sys.version.split()[0]} is too old: 3.10 or newer is needed')
        print(f'{"":8} -> make env PYTHON=python3.11, or newer')
        return 1
    from custom_modules.doctor import diagnose

    print('Checking, which takes about ten seconds ...', flush=True)
    findings = diagnose()
    for finding in findings:
        print(finding)
    sentence, code = verdict([finding.level for finding in findings])
    print(f'\n{sentence}')
    return code


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
