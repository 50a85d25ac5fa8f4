"""Check the installation and say what is wrong with it, also where packages are missing or broken.

Exit code 0: ready, perhaps with warnings; 1: problems, each with what to do.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    """Check and print."""
    shape = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=shape).parse_args()
    if sys.version_info < (3, 10):  # noqa: UP036
        # it cannot parse the other modules
        print(f'problem  Python {sys.version.split()[0]} is too old: 3.10 or newer is needed')
        print(f'{"":8} -> make env PYTHON=python3.11, or newer')
        return 1
    from custom_modules.doctor import diagnose, verdict

    print('Checking, which takes about ten seconds ...', flush=True)
    findings = diagnose()
    for finding in findings:
        print(finding)
    sentence, code = verdict(findings)
    print(f'\n{sentence}')
    return code


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
