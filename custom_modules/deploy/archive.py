"""Prediction of an archive of millions of pictures on a Ray cluster."""

import json
import os
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

from custom_modules.deploy.detector import RockDetector
from custom_modules.deploy.predict import MANIFEST, Entry, Outcome, PictureFiles, Results, predicted, record_all
from custom_modules.utils.errors import UsageError, quiet_libraries, sentence_of
from custom_modules.utils.images import Source

MOST_PICTURES = 256  # of a task: what is predicted again if its worker dies


class Worker:
    """A process of the cluster, with a detector of its own, that writes into a folder which :class:`Results` has begun.

    ``model`` are the positional arguments of :class:`RockDetector`, with absolute paths, ``settings`` its keyword arguments,
    ``options`` those of :class:`PictureFiles`; ``threads`` read, predict and write.
    """

    def __init__(self, out: str | Path, model: Sequence[str], settings: dict, options: dict, threads: int = 1) -> None:
        quiet_libraries()
        if not Path(out, MANIFEST).is_file():
            raise UsageError(f'{out} is not on a disk that all machines of the cluster see.')
        self._detector = RockDetector(*model, **settings, threads=1, calls=threads)
        self._files, self._threads = PictureFiles(Path(out), self._detector, **options), threads

    def __call__(self, row: dict) -> list[dict]:
        """Predict the pictures of a task of :func:`tasks_of`, write their files, and return rows of an ``answer`` in JSON and a ``line``.

        An answer has the ``entry`` of a picture but for its line, or ``skipped`` with name and reason, or a ``fault`` that ends the prediction.
        """
        sources = [Source(Path(path), name) for path, name in json.loads(row['task'])]
        skipped: list[tuple[Path, str]] = []
        answers: list[dict] = []
        try:
            for entry in predicted(self._detector, sources, self._files, self._threads, skipped):
                answers.append(dict(entry=entry[:2], line=entry.line))
        except Exception as error:
            # if raised, Ray would take the task for lost
            answers.append(dict(fault=sentence_of(error), traceback=traceback.format_exc()))
        names = {source.path: source.name for source in sources}
        answers += [dict(skipped=[names[path], reason]) for path, reason in skipped]
        if hasattr(os, 'sync'):
            # a power cut must not lose files that the manifest lists
            os.sync()
        # JSON in ASCII can hold file names of any bytes
        return [dict(line=answer.pop('line', ''), answer=json.dumps(answer)) for answer in answers]


def tasks_of(sources: Sequence[Source], workers: int, batch_size: int) -> list[dict]:
    """Cut pictures into tasks of whole batches, several for each worker; the batches are those of a prediction without a cluster."""
    batches = min(MOST_PICTURES, len(sources) // (8 * workers)) // batch_size
    size = batch_size * max(1, batches)
    absolute = [(str(source.path.absolute()), source.name) for source in sources]
    return [dict(task=json.dumps(absolute[start : start + size])) for start in range(0, len(absolute), size)]


def entries_of(
    run: Callable[[list[dict]], Iterable[dict]],
    sources: Sequence[Source],
    results: Results,
    outcome: Outcome,
    workers: int,
    batch_size: int,
) -> Generator[Entry]:
    """Have pictures predicted by workers, and again if a worker died; yield the entries for :meth:`Results.record`, some perhaps twice.

    ``run`` gives tasks to workers and yields the answers of :class:`Worker` in any order, none of a lost task. ``outcome`` gets the
    pictures that were skipped, and why. Raises a UsageError if a worker could not write, a RuntimeError for any other error.
    """
    left, skipped = list(sources), {}
    while left:
        for row in run(tasks_of(left, workers, batch_size)):
            answer = json.loads(row['answer'])
            if 'skipped' in answer:
                skipped.update([answer['skipped']])
            elif 'entry' in answer:
                # the line, which may be long, is not decoded
                yield Entry(*answer['entry'], row['line'])
            elif answer['fault'] is None:
                raise RuntimeError(f'of a worker: {answer["traceback"]}')
            else:
                raise UsageError(f'{answer["fault"].rstrip(".")}; then go on with --resume.')
        lost = [source for source in left if source.name not in results.done.keys() | skipped.keys()]
        if len(lost) == len(left):
            if batch_size == 1:
                break
            # alone, a picture that kills its workers does not affect others
            batch_size = 1
        left = lost
    skipped |= {source.name: 'each worker that looked at it died' for source in left}
    outcome.skipped += [(s.path, skipped[s.name]) for s in sources if s.name in skipped]


def predict_archive(
    sources: Sequence[Source], results: Results, arguments: dict, workers: int, cpus: int, gpus: float
) -> Outcome:
    """Predict pictures by the workers of the Ray cluster that this process is connected to, and write their results.

    A worker writes a picture's files, and this process alone then adds its entry to the manifest: whichever process dies, a
    picture without an entry is predicted again. Raises a UsageError if Ray Data is not installed, or a worker cannot start
    or write.

    Args:
        sources (Sequence[Source]): The pictures; those that ``results`` has already are left out.
        results (Results): The folder to write to, which all machines see at the same path.
        arguments (dict): Keyword arguments of :class:`Worker` but for ``out`` and ``threads``.
        workers (int): How many to start with; Ray adds and removes workers as machines join and leave.
        cpus (int): Of each worker.
        gpus (float): Of each worker.
    """
    # else Ray Data prints its log, with a traceback for each lost task
    os.environ.setdefault('RAY_DATA_LOG_LEVEL', 'CRITICAL')
    try:
        import ray.data as data
        from ray.exceptions import ActorDiedError
    except ImportError as error:
        raise UsageError(f'Ray Data is not installed ({error}): pip install -r requirements/cluster.txt') from None
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    # entries_of repeats lost tasks: Ray would repeat them for ever, or not often enough
    context.max_errored_blocks = -1
    resources = dict(num_cpus=cpus, num_gpus=gpus, max_task_retries=0)
    arguments = dict(arguments, out=results.out.absolute(), threads=cpus)

    def run(tasks: list[dict]) -> Iterable[dict]:
        # streamed: only tasks and answers are in memory
        table = data.from_items(tasks, override_num_blocks=len(tasks))
        pool = data.ActorPoolStrategy(min_size=1, initial_size=min(workers, len(tasks)))
        with warnings.catch_warnings():
            # Ray warns that max_task_retries will be given in another way
            warnings.simplefilter('ignore')
            answers = table.flat_map(Worker, fn_constructor_kwargs=arguments, compute=pool, **resources)
        try:
            yield from answers.iter_rows()
        except ActorDiedError as error:
            # the last line is the error of the worker that could not start
            raise UsageError(f'no worker could begin: {str(error).strip().splitlines()[-1]}') from error

    missing = [source for source in sources if source.name not in results.done]
    outcome = Outcome()
    entries = entries_of(run, missing, results, outcome, workers, arguments['settings']['batch_size'])
    return record_all(entries, len(missing), results, outcome)
