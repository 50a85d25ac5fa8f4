import hashlib
from collections.abc import Iterable


def hashed_order(ids: Iterable[str]) -> list[str]:
    """Shuffle ids in a way that is the same on every machine, in every order of files and for every seed.

    Args:
        ids (Iterable[str]): The ids.

    Returns:
        list[str]: The ids, sorted by their SHA-256.

    Example:
        >>> hashed_order(['0001', '0002', '0003', '0004', '0005'])[0]
        '0004'
    """
    return sorted(ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest())
