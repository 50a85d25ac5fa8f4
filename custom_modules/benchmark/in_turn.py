import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from .contestant import Contestant
from .seat import Seat


def in_turn(
    contestants: Sequence[Contestant],
    rounds: int,
    repeats: int,
    folder: Path,
    threads: int,
    say: Callable[[str], None] = print,
    split: bool = False,
    warm_up: int = 1,
) -> tuple[dict[str, dict], dict[str, list[dict]]]:
    """Let contestants have a turn each, round by round, so that a busy machine hits all alike.

    Args:
        contestants (Sequence[Contestant]): Who takes part.
        rounds (int): Turns of each contestant from start to end.
        repeats (int): How often everybody is started anew.
        folder (Path): For their files, which are removed at the end of each repeat.
        threads (int): Torch's threads in each contestant.
        say (Callable): Takes a line on how far it is. Defaults to ``print``.
        split (bool): Whether a contestant on a GPU has a further turn for the parts of its iteration.
            Defaults to False.
        warm_up (int): How many rounds at the start do not count. Defaults to 1.

    Returns:
        tuple[dict, dict]: What each contestant is, and its turns: ``repeat``, ``round`` (both from 0), ``order`` (the place of this
        turn among all), ``warm_up``, ``split``, and what it reported.
    """
    facts: dict[str, dict] = {}
    turns: dict[str, list[dict]] = {contestant.name: [] for contestant in contestants}
    order = 0
    for repeat in range(repeats):
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            seats = {}
            for one in contestants:
                log = folder / f'{one.name.replace(" ", "_")}.log'
                seat = seats[one.name] = Seat(one.play, one.args, log, threads)
                stack.callback(seat.close)
                facts[one.name] = dict(title=one.title) | seat.facts
            cuda = split and any('cuda' in f.get('device', '') for f in facts.values())
            for number in range(rounds + cuda):
                command = 'split' if number == rounds else 'go'
                for name, seat in seats.items():
                    result = seat.turn(command)
                    place = dict(repeat=repeat, round=number, order=order)
                    marks = dict(warm_up=number < warm_up, split=command == 'split')
                    turns[name].append(place | marks | result)
                    order += 1
                    say(_line(name, turns[name][-1], repeats, rounds))
    return facts, turns


def _line(name: str, turn: dict, repeats: int, rounds: int) -> str:
    seconds = f': {turn["seconds"]:.2f} s' if 'seconds' in turn else ''
    note = ' (warm-up)' * turn['warm_up'] + ' (parts only)' * turn['split']
    place = f'repeat {turn["repeat"] + 1}/{repeats}, round {turn["round"] + 1}/{rounds}'
    return f'{place}, {name}{seconds}{note}'
