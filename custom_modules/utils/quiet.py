"""What libraries say while they are imported, and no user can mend, stays off the screen."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


def quiet_libraries() -> None:
    """Silence what is known to be said without need: parts of mmcv that nothing here uses, mmseg's defaults, and that there is no GPU."""
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    # ignored pixels count in the mean's number, as they did in every published training
    warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')
    logging.getLogger('torch.utils.cpp_extension').setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import libraries that print while they are imported; what they raise is raised.

    Example:
        >>> with quiet_imports():
        ...     import mmseg.datasets
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
