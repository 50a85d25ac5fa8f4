import torch
import torch.nn as nn
from torch import Tensor


class GreyStandardize(nn.Module):
    """Each image in grey, with zero mean and unit standard deviation of its own.

    What a camera's exposure, gain and colour cast do to a whole image is taken out again, up to clipping: a network that
    was trained on grey renders then meets a photograph's brown ground in the range that it knows. Nothing is learned here.

    Args:
        eps (float): Added to the standard deviation, in the unit of the input: an image without any contrast
            stays flat. Defaults to 0.05, about 3 grey levels of 255 after ImageNet's normalisation.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 3, 32, 32)
        >>> a, b = (GreyStandardize(eps=0)(x) for x in (image, 0.5 * image + 3))
        >>> torch.allclose(a, b, atol=1e-4)
        True
    """

    def __init__(self, eps: float = 0.05) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Standardize.

        Args:
            x (Tensor): Images (N, C, H, W), normalised by constants or not.

        Returns:
            Tensor: (N, C, H, W); all channels are the same.
        """
        grey = x.mean(dim=1, keepdim=True)
        std, mean = torch.std_mean(grey, dim=(2, 3), keepdim=True, correction=0)
        return ((grey - mean) / (std + self.eps)).expand_as(x)
