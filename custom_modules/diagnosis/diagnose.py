import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .check_devices import CUDA_CODE, check_devices
from .check_environment import check_environment
from .check_extras import check_extras
from .check_folder import check_folder
from .check_imports import check_imports, import_steps
from .check_machine import check_machine
from .check_owners import IMPORTED, check_owners
from .check_python import check_python
from .check_requirements import check_requirements
from .check_torch_pair import check_torch_pair
from .finding import Finding
from .package_owners import package_owners
from .try_steps import try_steps

REPOSITORY = Path(__file__).resolve().parents[2]
LEVELS = ('problem', 'warning', 'ok', 'info')


def diagnose() -> list[Finding]:
    """Check the installation that this process runs in.

    Packages are imported in other processes, so that a broken one becomes a finding.

    Returns:
        list[Finding]: Problems first, then warnings, then the rest.
    """
    path = (str(REPOSITORY),)
    with ThreadPoolExecutor() as pool:
        # the slow part, beside everything else
        cuda = pool.submit(try_steps, {'cuda': CUDA_CODE})
        imports = pool.submit(try_steps, import_steps(), path)
        found = [
            *check_python(),
            *check_requirements(REPOSITORY / 'requirements.txt'),
            *check_owners(),
            *check_torch_pair(),
            *check_machine(),
            *check_folder(Path('work_dirs'), 'runs'),
            *check_folder(REPOSITORY / 'data', 'data'),
            *check_folder(Path(tempfile.gettempdir()), 'temporary files'),
            *check_environment(),
            *check_extras(),
        ]
        outcomes = imports.result()
        owners = package_owners(tuple(outcomes))
        found += check_imports(outcomes, missing=set(IMPORTED) - set(owners))
        if 'error' not in outcomes['torch']:
            found += check_devices(cuda.result()['cuda'])
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))
