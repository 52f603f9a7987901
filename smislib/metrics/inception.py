"""Inception-v3 as FID and the Inception score have it: the 2048 pooled features of the 2015-12-05 weights, and their logits,
through `torch-fidelity`.

The images become uint8, are resized to 299x299 by TensorFlow 1's bilinear kernel (corners at the origin, no antialiasing)
and scaled by (x - 128) / 128. SMIS measured with mseitzer/pytorch-fid, whose kernel is PyTorch's bilinear: values differ
a little, so the kernel is part of the protocol.
"""

from importlib.metadata import version

import torch
from torch import Tensor

from ..errors import SmisError
from . import backbones

WEIGHTS = backbones.Official(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "Inception-v3 for FID",
)


class InceptionFeatures:
    """Images (N,3,H,W) in [-1,1] -> (N,2048), and `probabilities` (N,1008): 1,000 classes of ImageNet and 8 that none has.

    Raises SmisError, before any work, when the weights are not on this machine: `SMIS_WEIGHTS` or torch's hub cache.
    """

    suffix = ""

    def __init__(self, device: str | torch.device = "cpu"):
        path = WEIGHTS.find()
        found = set(WEIGHTS.read(path))  # refuses a file that holds more than tensors, before torch-fidelity opens it
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            net = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
            )
        except RuntimeError as error:
            raise SmisError(
                f"{path} is not the FID Inception-v3: its {len(found)} tensors do not fit. {WEIGHTS.advice()}"
            ) from error
        self.net, self.device = net.to(device).eval(), device
        self.protocol = {
            "backbone": "Inception-v3 2015-12-05, pool 2048",
            "weights": backbones.file_hash(path),
            "implementation": f"torch-fidelity {version('torch-fidelity')}",
            "image range": "uint8",
            "resize": "bilinear 299x299, TensorFlow 1 kernel",
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.net(self._pixels(images))[0]

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits without their bias, as the code of 1606.03498, and so published scores, have it."""
        return self.net(self._pixels(images))[1].double().softmax(1)

    def _pixels(self, images: Tensor) -> Tensor:
        return ((images.to(self.device) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
