import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights in the channels-last memory layout.

    Convolutions of small models are faster in it, on CPU and GPU, and the results are the same up to
    rounding. The layout spreads from the weights to the activations by itself.

    Args:
        enabled (bool): ``default_hooks = dict(channels_last=dict(enabled=False))`` switches it off.
            Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_run(self, runner) -> None:
        """Convert the model once.

        Args:
            runner (Runner): The runner of the training, validation or testing process.
        """
        if self.enabled:
            runner.model.to(memory_format=torch.channels_last)
