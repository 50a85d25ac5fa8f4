from mmengine.optim import OneCycleLR
from mmengine.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class GroupOneCycleLR(OneCycleLR):
    """One-cycle policy that leads each parameter group to its own rate.

    `Super-Convergence <https://arxiv.org/abs/1708.07120>`_. mmengine's ``OneCycleLR`` leads every group to one ``eta_max``,
    so that an encoder at a tenth of the rate would train at the head's. Here the peak is the rate that the
    optimizer gave the group, and the cycle ends where training ends.

    Args:
        optimizer (Optimizer or BaseOptimWrapper): The wrapped optimizer.
        **kwargs: ``pct_start``, ``div_factor``, ``final_div_factor``, ... of mmengine's ``OneCycleLR``.
    """

    def __init__(self, optimizer, **kwargs) -> None:
        peaks = [group.get('max_lr', group['lr']) for group in optimizer.param_groups]
        super().__init__(optimizer, eta_max=peaks, **kwargs)
