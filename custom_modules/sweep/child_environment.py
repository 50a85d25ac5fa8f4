import os
from collections.abc import Mapping


def child_environment(jobs: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Share the processor's cores among trainings that run side by side.

    Args:
        jobs (int): How many run side by side; one alone is left as it is.
        environment (Mapping): This process's environment variables.

    Returns:
        dict[str, str]: Those of a training, with ``OMP_NUM_THREADS`` unless it is set.

    Example:
        >>> child_environment(1000, {})
        {'OMP_NUM_THREADS': '1'}
        >>> child_environment(2, {'OMP_NUM_THREADS': '7'})
        {'OMP_NUM_THREADS': '7'}
    """
    if jobs == 1:
        return dict(environment)
    # what a container or taskset leaves of them, where the system can tell
    own = getattr(os, 'sched_getaffinity', None)
    cores = len(own(0)) if own else os.cpu_count() or 1
    return {'OMP_NUM_THREADS': str(max(1, cores // jobs)), **environment}
