class AffineRanges:
    """Mixin of ``RandomAffine`` and ``BatchRandomAffine``: how far they rotate, shift and scale, and what comes in.

    Args:
        degree (float): Greatest rotation to either side, in degrees. Defaults to 0.
        translate (float): Greatest shift, as a share of width and height. Defaults to 0.
        scale (float): Greatest change of size: 0.1 gives 0.9 to 1.1. Defaults to 0.
        pad_val (int): Grey value of what comes in from outside the image, before normalisation. Defaults to 0.
        seg_pad_val (int): Label of it. Defaults to 255, which losses and scores ignore.

    Raises:
        ValueError: If ``translate`` or ``scale`` is no share from 0 to below 1.
    """

    def __init__(
        self,
        degree: float = 0.0,
        translate: float = 0.0,
        scale: float = 0.0,
        pad_val: int = 0,
        seg_pad_val: int = 255,
    ) -> None:
        if not (0 <= translate < 1 and 0 <= scale < 1):
            raise ValueError(
                f'translate and scale are shares from 0 to below 1, got {translate} and {scale}.'
            )
        self.degree = degree
        self.translate = translate
        self.scale = scale
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val
