"""Discriminators. A discriminator returns, per scale, the list of its features; the last one is the logits."""

from torch import Tensor, nn

from ..errors import SmisError
from ..layers import spectral_norm

HALVINGS = 16  # of an image of 65,536 pixels a side one is left


def _check_halvings(name: str, number: int) -> None:
    if not 1 <= number <= HALVINGS:
        raise SmisError(f"{name} is from 1 to {HALVINGS}, since each halves the image; found {number}.")


class PatchDiscriminator(nn.Sequential):
    """PatchGAN of `layers` 4x4 convolutions before the logits: stride 2, the last with stride 1 (SMIS figure 7).

    `forward` returns every layer's output, (N,width,h,w) each, logits (N,1,h,w) last. Raises SmisError for more than `HALVINGS`
    layers, or none.
    """

    def __init__(self, in_channels: int, width: int, layers: int, spectral: bool = True):
        _check_halvings("d_layers", layers)
        stages = [nn.Sequential(nn.Conv2d(in_channels, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2))]
        for i in range(1, layers):
            wider = min(width * 2, 512)
            conv = nn.Conv2d(width, wider, 4, stride=1 if i == layers - 1 else 2, padding=2, bias=False)
            stages.append(nn.Sequential(spectral_norm(conv, spectral), nn.InstanceNorm2d(wider), nn.LeakyReLU(0.2)))
            width = wider
        super().__init__(*stages, nn.Conv2d(width, 1, 4, stride=1, padding=2))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self:
            x = stage(x)
            features.append(x)
        return features


class MultiscaleDiscriminator(nn.ModuleList):
    """The same PatchGAN at `scales` resolutions, 1 to `HALVINGS`, each half the one before (pix2pixHD, SPADE, SMIS)."""

    halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)  # of the class: no member of the list

    def __init__(self, in_channels: int, width: int = 64, layers: int = 4, scales: int = 2, spectral: bool = True):
        _check_halvings("d_scales", scales)
        super().__init__([PatchDiscriminator(in_channels, width, layers, spectral) for _ in range(scales)])

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """x: labels and image concatenated, (N,C+3,H,W)."""
        outputs = []
        for scale, patch in enumerate(self):
            if scale:
                x = self.halve(x)
            outputs.append(patch(x))
        return outputs
