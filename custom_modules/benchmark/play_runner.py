from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings

from custom_modules.engine.config_checks import require_a_batch
from custom_modules.models.pretrained import require_pretrained

from .last_hook import LastHook
from .load_size import load_size
from .model_facts import model_facts
from .turn import Turn
from .turn_hook import TurnHook


def play_runner(turn: Turn, cfg: dict) -> None:
    """Train a config through mmengine's runner as ``tools/train.py`` does, an epoch with validation each turn.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        cfg (dict): The config; ``train_cfg.max_epochs`` is the number of turns.
    """
    cfg = Config(cfg)
    import_modules_from_strings(**cfg.custom_imports)
    runner = Runner.from_cfg(cfg)
    require_a_batch(runner)
    require_pretrained(runner.model)
    facts = model_facts(runner.model, load_size(cfg)[::-1], mode='tensor')
    first = TurnHook(turn, facts)
    runner.register_hook(first, priority='HIGHEST')
    runner.register_hook(LastHook(first), priority='LOWEST')
    runner.train()
