import gc

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch.nn.parallel import DistributedDataParallel


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights in the channels-last memory layout.

    Convolutions of small models are faster in it, on CPU and GPU, and the results are the same up to
    rounding. The layout spreads from the weights to the activations by itself.

    Two things that work on plain memory have to follow the layout, or they silently mix up values:

    - DistributedDataParallel lays out its gradient buckets when it wraps a model, so the model is wrapped anew.
    - A fused optimizer walks through weights, gradients and its averages in parallel, so averages that a
      checkpoint brings in another layout (a run with ``enabled`` otherwise) are brought to the weights' layout.

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
        if not self.enabled:
            return
        if not isinstance(runner.model, DistributedDataParallel):
            runner.model.to(memory_format=torch.channels_last)
            return
        model, runner.model = runner.model.module, None
        # the old wrapper's hooks on the gradients go when it does
        gc.collect()
        model.to(memory_format=torch.channels_last)
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)

    def before_train(self, runner) -> None:
        """Bring the optimizer's averages, which a resume may have loaded, to the layout of their weights.

        Args:
            runner (Runner): The runner of the training process.
        """
        for optimizer in _optimizers(runner.optim_wrapper):
            for weight, state in optimizer.state.items():
                for name, value in state.items():
                    same = torch.is_tensor(value) and value.shape == weight.shape
                    if same and value.stride() != weight.stride():
                        state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _optimizers(wrapper) -> list[torch.optim.Optimizer]:
    # several of them come as mmengine's OptimWrapperDict
    wrappers = getattr(wrapper, 'optim_wrappers', None) or dict(only=wrapper)
    return [each.optimizer for each in wrappers.values()]
