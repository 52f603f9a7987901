"""What judges images of whole classes: features for FID, and for the Inception score the probability of each class.

Inception-v3 is the papers'. Drawn things have a shipped network; handwritten digits are few and small enough for a classifier
of scikit-learn, fitted when it is asked for.
"""

from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import data
from ..config import DataSpec, content_hash
from ..data import classed
from ..errors import SmisError
from .backbones import EmbeddedClassifier
from .inception import InceptionFeatures
from .inception_score import Judge

COMPONENTS, GAMMA, C = 500, 0.06, 100.0  # 99 of 100 held-out digits


class DigitJudge:
    """Reads digits: images (N,3,H,W) in [-1,1] -> their 64 pixel values, and the probabilities of the 10 digits.

    An image becomes grey and is averaged to the 8x8 pixels that a digit has. The classifier, a logistic regression on Nystroem's
    approximation of a Gaussian kernel, is fitted on all 1,437 real digits for training at the same size: the same each time.
    """

    suffix = "[embedded]"
    device: str | torch.device = "cpu"

    def __init__(self, size: int = 32):
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        real = classed.Digits(DataSpec("digits", size, size), "train")
        x = self(real.images.expand(-1, 3, -1, -1))
        self.model = make_pipeline(
            Nystroem(gamma=GAMMA, n_components=COMPONENTS, random_state=0), LogisticRegression(C=C, max_iter=2000)
        )
        self.model.fit(x.numpy(), real.labels.numpy())
        self.protocol = {
            "backbone": "digits: the 64 pixel values of 8x8 mean luminance (FID); Nystroem and logistic regression on them (IS)",
            "weights": content_hash([COMPONENTS, GAMMA, C, x.mul(1e4).round().tolist(), real.labels.tolist()]),
            "implementation": f"scikit-learn {version('scikit-learn')}",
            "image range": "[-1,1]",
            "resize": "mean 8x8",
        }

    def __call__(self, images: Tensor) -> Tensor:
        """Features (N,64), on the CPU."""
        return F.adaptive_avg_pool2d(images.cpu().float().mean(1), classed.PIXELS).flatten(1)

    def probabilities(self, images: Tensor) -> Tensor:
        """(N,10), rows that sum to 1, on the CPU."""
        return torch.from_numpy(self.model.predict_proba(self(images).numpy()))


def judge_of(spec: DataSpec, device: torch.device | str = "cpu", paper: bool = False) -> Judge:
    """What judges a data set of whole-image classes. `paper`: Inception-v3, whatever the data.

    Raises SmisError for a data set of other classes, for one that nothing shipped knows, and where Inception-v3 is asked for
    and absent.
    """
    known = data.classes(spec)
    if not known.whole:
        raise SmisError(f"{spec.name} has no classes of whole images, which the Inception score is about.")
    if paper:
        return InceptionFeatures(device)
    return DigitJudge(spec.height) if spec.name == "digits" else EmbeddedClassifier(known.names, device)
