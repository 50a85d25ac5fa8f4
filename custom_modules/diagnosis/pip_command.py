import shlex
import sys

INSTALL_ALL = '-r requirements.txt -c constraints.txt'


def pip_command(install: str = INSTALL_ALL, uninstall: tuple[str, ...] = ()) -> str:
    """Write a shell command for the pip of the interpreter that runs.

    Args:
        install (str): Arguments of ``pip install``. Defaults to all of the requirements, with the tested set as
            constraints.
        uninstall (tuple[str]): Distributions to remove before. Two owners of one package must both go: what the
            one leaves the other has overwritten.

    Example:
        >>> pip_command(uninstall=('mmcv', 'onedl-mmcv')).replace(sys.executable, 'python')
        'python -m pip uninstall -y mmcv onedl-mmcv && python -m pip install -r requirements.txt -c constraints.txt'
    """
    pip = f'{shlex.quote(sys.executable)} -m pip'
    remove = f'{pip} uninstall -y {" ".join(uninstall)} && ' if uninstall else ''
    return f'{remove}{pip} install {install}'
