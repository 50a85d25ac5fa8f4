"""Writing of checkpoints: atomically, and before anything that could fail."""

from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically


@register_backend('AtomicLocalBackend')
class AtomicLocalBackend(LocalBackend):
    """mmengine's ``LocalBackend`` with atomic writes; a killed process else leaves half a checkpoint, which breaks ``--resume``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file atomically; missing folders are created."""
        write_atomically(filepath, obj)


class FormattedOnceConfig(Config):
    """mmengine's ``Config``, whose ``pretty_text`` is formatted anew only when the config has changed.

    Each checkpoint holds that text, and formatting takes longer than writing a small network.
    """

    @property
    def pretty_text(self) -> str:
        """The config as formatted Python."""
        content = repr(self._cfg_dict)
        if vars(self).get('_formatted', ('',))[0] != content:
            vars(self)['_formatted'] = content, super().pretty_text
        return vars(self)['_formatted'][1]


@HOOKS.register_module(name=['ResumableCheckpointHook', 'CheckpointAfterValHook'])
class ResumableCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, without three ways to lose a result.

    - An epoch's checkpoint is written before its validation, and a resume repeats a validation that was interrupted: the
      plateau scheduler, early stopping and the best score would miss one.
    - The best checkpoint is removed after the better one is written: a kill in between would leave neither.
    - A run that resumes from another work dir does not remove the best checkpoint there, and finds its own.

    A checkpoint with a weight that is nan or infinite is not written, so the one before stays the last.
    """

    # key of the last validated epoch in the message hub; mmengine would log one that begins with "val"
    _KEY = 'last_validation'

    def before_run(self, runner) -> None:
        """Format the config once for all checkpoints."""
        # Config's own __setattr__ would make it a key of the config
        object.__setattr__(runner.cfg, '__class__', FormattedOnceConfig)

    def before_train(self, runner) -> None:
        """Restore the state of a resumed run, and repeat a validation that was interrupted."""
        super().before_train(runner)
        if self.save_best:
            self._forget_other_best(runner)
        # older checkpoints have no such key
        validated = runner.message_hub.get_info(self._KEY, runner.epoch)
        runner.message_hub.update_info(self._KEY, validated)
        epoch, loop = runner.epoch, runner.train_loop
        if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop):
            return
        # set val_interval as train_cfg.dynamic_intervals says for this epoch
        loop._decide_current_val_interval()
        # whether the loop validates after the last epoch that was trained
        due = epoch >= loop.val_begin and (epoch % loop.val_interval == 0 or epoch == runner.max_epochs)
        if validated < epoch and due:
            runner.logger.info(f'The validation of epoch {runner.epoch} is repeated.')
            runner.val_loop.run()

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Record the validation, and save the best checkpoint."""
        runner.message_hub.update_info(self._KEY, runner.epoch)
        super().after_val_epoch(runner, metrics)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Raise a UsageError for a weight that is nan or infinite."""
        for name, tensor in checkpoint['state_dict'].items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise UsageError(
                    f'{name} is nan or infinite after {runner.iter} iterations, so that this checkpoint is not saved: lower '
                    'optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad, or leave --amp out, and go on from the one before with --resume.'
                )

    def _forget_other_best(self, runner) -> None:
        hub, folder = runner.message_hub, Path(self.out_dir).resolve()
        # a work dir that was moved or copied goes on from its own checkpoint, and has its own best one
        own = bool(runner._load_from) and Path(runner._load_from).resolve().parent == folder
        for name, path in list(hub.runtime_info.items()):
            if not name.startswith('best_ckpt'):
                continue
            here = str(Path(self.out_dir, Path(path).name))
            kept = here if (own or Path(path).resolve().parent == folder) and self.file_backend.isfile(here) else None
            # mmengine has one attribute for a single score, and another for several
            if name == 'best_ckpt':
                self.best_ckpt_path = kept
            else:
                self.best_ckpt_path_dict[name.removeprefix('best_ckpt_')] = kept
            if kept:
                hub.update_info(name, kept)
                continue
            hub.pop_info(name)
            hub.pop_info(name.replace('best_ckpt', 'best_score'))
            runner.logger.warning(
                f'The best checkpoint so far is {path}, which is not in {self.out_dir}: it is left alone, and the '
                'best one is looked for anew from here on.'
            )

    def _save_best_checkpoint(self, runner, metrics: dict[str, float]) -> None:
        # collect what mmengine would remove before it writes
        outdated, remove = [], self.file_backend.remove
        self.file_backend.remove = outdated.append
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            del self.file_backend.remove
        current = {value for name, value in runner.message_hub.runtime_info.items() if name.startswith('best_ckpt')}
        for path in outdated:
            if path not in current:
                remove(path)
