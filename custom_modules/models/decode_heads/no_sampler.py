def require_no_sampler(head: object, settings: dict) -> None:
    """Refuse a pixel sampler, which ``UNetHead.loss_by_feat`` would not ask.

    Args:
        head (BaseDecodeHead): Whose losses those are.
        settings (dict): What it is built with.

    Raises:
        ValueError: If there is a ``sampler``.
    """
    if settings.get('sampler') is not None:
        raise ValueError(
            f'{type(head).__name__} has no pixel sampler: weight or choose the losses instead.'
        )
