"""Check the installation and say what is wrong with it, also where packages are missing or broken.

Exit code 0: ready, perhaps with warnings; 1: problems, each with what to do.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.diagnosis.check_python import check_python
from custom_modules.diagnosis.verdict import verdict


def main() -> int:
    """Check and print."""
    shape = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=shape).parse_args()
    findings = check_python()
    if findings[0].level == 'ok':
        # an older Python cannot read it
        from custom_modules.diagnosis.diagnose import diagnose

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
        # not the tools' usual wrapper: its module would import torch
        sys.exit(130)
