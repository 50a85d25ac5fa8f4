"""A progress bar for long work."""

from rich.console import Console
from rich.progress import track


def progress(items, label, total=None):
    """Yield items under a progress bar on stderr, shown on a terminal only.

    Args:
        items: Any iterable.
        label: Words in front of the bar.
        total: Number of items, needed where `items` has no length.

    Returns:
        An iterable over the same items.
    """
    console = Console(stderr=True)
    return track(
        items, label, total, console=console, disable=not console.is_terminal, transient=True
    )
