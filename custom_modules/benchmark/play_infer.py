import time
from collections.abc import Callable, Sequence

import torch

from .peak_memory import peak_memory
from .turn import Turn


def play_config_infer(
    turn: Turn, cfg: dict, checkpoint: str | None, batches: Sequence[int], images: int
) -> None:
    """Predict with a config's model; see :func:`play_infer`."""
    from .config_predictor import ConfigPredictor

    play_infer(turn, ConfigPredictor(cfg, checkpoint), batches, images)


def play_limit_infer(
    turn: Turn, cfg: dict, checkpoint: str | None, batches: Sequence[int], images: int
) -> None:
    """Predict with a config's network from tensors in memory; see :func:`play_infer`."""
    from .limit_predictor import LimitPredictor

    play_infer(turn, LimitPredictor(cfg, checkpoint), batches, images)


def play_smp_infer(turn: Turn, settings: dict, batches: Sequence[int], images: int) -> None:
    """Predict with the U-Net of segmentation-models-pytorch; see :func:`play_infer`."""
    from .smp_predictor import SmpPredictor

    play_infer(turn, SmpPredictor(settings), batches, images)


def play_infer(turn: Turn, predictor, batches: Sequence[int], images: int) -> None:
    """Predict images each turn, in every batch size: by the network alone, and from files (the limit: from memory).

    Args:
        turn (Turn): The line to the :class:`Seat`.
        predictor (ConfigPredictor or SmpPredictor): The model; its ``kinds`` are measured.
        batches (Sequence[int]): Batch sizes.
        images (int): Images of each turn and batch size, rounded up to whole batches.
    """
    turn.report(predictor.facts)
    there = len(predictor.dataset)
    while True:
        turn.wait()
        result = {}
        for batch in batches:
            calls = range(-(-images // batch))
            inputs = predictor.inputs(batch)
            rows = [[(call * batch + i) % there for i in range(batch)] for call in calls]
            with torch.inference_mode():
                if 'network' in predictor.kinds:
                    alone = [_seconds(predictor, predictor.network, inputs) for _ in calls]
                    result[f'network_{batch}'] = alone
                ended = [_seconds(predictor, predictor.predict, rows[call]) for call in calls]
            result[f'files_{batch}'] = ended
        turn.report(dict(latencies=result, memory_mib=peak_memory()))


def _seconds(predictor, call: Callable, argument) -> float:
    start = time.perf_counter()
    call(argument)
    if predictor.device.type == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start
