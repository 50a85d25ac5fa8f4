from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from ..feature_cache import FeatureCache


@HOOKS.register_module()
class FeatureCacheHook(Hook):
    """Compute the features of a frozen encoder once per training image; later epochs train the decoder alone.

    For an encoder that sleeps from the first epoch to the last, where nothing random comes before it: whatever does not
    fit is refused before the first step. The weights that a run ends with are those that it ends with without, to the last
    bit on a CPU. The features stay in the memory of the model's device for the time of the run, 2 MB for an image of 128x128
    and ``MoonNet``; a resumed run computes them anew. Validation computes its own.

    Args:
        enabled (bool): ``default_hooks = dict(feature_cache=dict(enabled=True))`` switches it on. Defaults to False.

    Raises:
        UsageError: Before training, if the features are not the same in each epoch, or do not fit into half of the free
            memory.
    """

    # after a hook that compiles the encoder, and one that freezes it
    priority = 'LOW'

    def __init__(self, enabled: bool = False) -> None:
        self.enabled = enabled
        self._cache = None

    def before_train(self, runner) -> None:
        """Put the cache in place of the encoder's ``forward``.

        Args:
            runner (Runner): The runner of the training process.
        """
        if not self.enabled:
            return
        from ..constant_features import require_constant_features

        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        require_constant_features(runner, model)
        self._backbone = model.backbone
        self._cache = FeatureCache(self._backbone, runner.train_dataloader.batch_size)
        self._backbone.forward = self._cache.forward

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Tell the cache which images come.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict): The batch, as it is loaded.
        """
        if self._cache is not None:
            self._cache.names = [sample.img_path for sample in data_batch['data_samples']]

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """What is computed from here on are other images.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict, optional): Unused.
            outputs (dict, optional): Unused.
        """
        if self._cache is not None:
            self._cache.names = None

    def after_train(self, runner) -> None:
        """Put the encoder's ``forward`` back, and free the memory.

        Args:
            runner (Runner): The runner of the training process.
        """
        if self._cache is not None:
            vars(self._backbone).pop('forward', None)
            self._cache = None
