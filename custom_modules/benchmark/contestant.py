from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """Somebody who takes part: a function for a :class:`Seat`, and what it is in words.

    Args:
        name (str): Short, for tables.
        title (str): One line that says what it is.
        play (Callable): A function of a module.
        args (tuple): Plain values, from the second argument on.
    """

    name: str
    title: str
    play: Callable
    args: tuple
