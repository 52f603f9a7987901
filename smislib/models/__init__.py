"""The registry of models: a plain dict from a name to what the loop, the store and the tables need of it.

A new model is one file with a frozen schedule, its `Networks`, its loss weights and objective, one line here, and its values
at each preset in `papers`; see CONTRIBUTING.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from ..losses import PairedGan, PairedGanObjective, Perceptual, VaeGan, VaeGanObjective
from ..multimodal import Bicycle, BicycleObjective, DiversitySensitive, DiversitySensitiveObjective
from ..s3gan import ClassGan, ClassGanObjective, Labelling, LabellingObjective, prepare_gan, prepare_labeller
from ..segmentation_gan import SegmentationGan, SegmentationGanObjective
from . import bicyclegan, biggan, groupdnet, labeller, oasis, pix2pix, pix2pixhd, spade


@dataclass(frozen=True)
class Model:
    """`title` is the row name in the tables; then the four types that make up a two-player model.

    `multimodal`: whether there is a code, so that one label map has many images. Where not, z is None.
    `measures`: groups of metrics that its paper's tables need beside those of every model (see `evaluate`).
    `prepare`: what is done with (experiment, networks, training set, networks of the experiments that `presets.needs` names)
    before the first step; it gives the training set to use.

    A schedule has C, height, width, and
        z_shape           of one image's code, None for no code: `sample.draw`, objectives
        controls_classes  whether the image of one class can vary alone: `sample.resample`, `studio`
        label_channels    where it is of label maps: D's input, `cost` (which takes its absence for a class-conditional GAN)
    and may have
        z_channels        of each class, class-major in z; without it a code that controls classes is 3-D noise: `sample`
        skips             whether G leaves out absent classes: `folded`
    What else is asked whether it is there: `prior` of the networks, the distribution of their classes (`sample.conditions`,
    `train`); `conditions(labels)` of G, what its norms see (`folded`); of the loss weights `reads`, the model that must be
    trained before (`presets.needs`), and `check(network)` (`config.Experiment`). All have `backbone`, of the perceptual loss.
    """

    title: str
    schedule: type
    networks: Callable[[Any], nn.Module]
    loss: type
    objective: Callable[[Any, Perceptual | None], Any]
    multimodal: bool = True
    measures: tuple[str, ...] = ()
    prepare: Callable[..., Dataset] | None = None
    generates: bool = True  # whether there is a G

    @property
    def whole(self) -> bool:
        """Whether it learns from images of one class each, and not from label maps."""
        return self.prepare in (prepare_gan, prepare_labeller)


def _smis(title: str) -> Model:
    return Model(title, groupdnet.Schedule, groupdnet.Networks, VaeGan, VaeGanObjective)


def _pix2pix(title: str) -> Model:
    networks, loss, objective = pix2pix.Networks, pix2pix.Pix2Pix, pix2pix.Pix2PixObjective
    return Model(title, pix2pix.Schedule, networks, loss, objective, measures=("translation",))


def _spade(title: str, multimodal: bool = True) -> Model:
    return Model(title, spade.Schedule, spade.Networks, PairedGan, PairedGanObjective, multimodal=multimodal)


def _pix2pixhd(title: str) -> Model:
    return Model(title, pix2pixhd.Schedule, pix2pixhd.Networks, PairedGan, PairedGanObjective, multimodal=False)


OASIS_MEASURES = ("variation", "realism")  # of the rows of its tables


def _oasis(title: str, *more: str) -> Model:
    measures = (*OASIS_MEASURES, *more)
    return Model(title, oasis.Schedule, oasis.Networks, SegmentationGan, SegmentationGanObjective, measures=measures)


def _patch(title: str) -> Model:
    return Model(title, oasis.Schedule, oasis.Networks, PairedGan, PairedGanObjective, measures=OASIS_MEASURES)


def _biggan(title: str) -> Model:
    measures = ("inception", "over_training")
    return Model(title, biggan.Schedule, biggan.Networks, ClassGan, ClassGanObjective, measures=measures, prepare=prepare_gan)


def _labeller(title: str) -> Model:
    return Model(
        title, labeller.Schedule, labeller.Networks, Labelling, LabellingObjective,
        multimodal=False, measures=("classification",), prepare=prepare_labeller, generates=False,
    )  # fmt: skip


MODELS: dict[str, Model] = {
    "mulnet": _smis("MulNet"),
    "groupnet": _smis("GroupNet"),
    "groupenc": _smis("GroupEnc"),
    "groupdec": _smis("GroupDec"),
    "vspade": _smis("VSPADE"),
    "groupdnet": _smis("GroupDNet"),
    "groupdnet_whole": _smis("w/o split input"),
    "groupdnet_vector": _smis("w/o encoder-produced mean/var maps"),
    "groupdnet_maps": _smis("w/ encoder-produced mean/var maps"),
    "groupdnet_groupnorm": _smis("w/ GroupNorm instead of BN"),
    "groupdnet_unsynced": _smis("w/o SyncBN"),
    "groupdnet_free": _smis("w/o SpecNorm"),
    "bicyclegan": Model("BicycleGAN", bicyclegan.Schedule, bicyclegan.Networks, Bicycle, BicycleObjective),
    "dscgan": Model("DSCGAN", bicyclegan.Schedule, bicyclegan.Networks, DiversitySensitive, DiversitySensitiveObjective),
    "pix2pixhd": _pix2pixhd("pix2pixHD"),
    "spade": _spade("SPADE", multimodal=False),
    "spade_vae": Model("SPADE with VAE", spade.Schedule, spade.Networks, VaeGan, VaeGanObjective, measures=OASIS_MEASURES),
    "pix2pix": _pix2pix("pix2pix"),  # U-Net, 70x70 PatchGAN, L1+cGAN; each of the others has one thing changed
    "pix2pix_l1": _pix2pix("pix2pix, L1"),
    "pix2pix_gan": _pix2pix("pix2pix, GAN"),
    "pix2pix_cgan": _pix2pix("pix2pix, cGAN"),
    "pix2pix_l1_gan": _pix2pix("pix2pix, L1+GAN"),
    "pix2pix_encdec": _pix2pix("encoder-decoder, L1+cGAN"),
    "pix2pix_encdec_l1": _pix2pix("encoder-decoder, L1"),
    "pix2pix_pixelgan": _pix2pix("pix2pix, PixelGAN"),
    "pix2pix_patch16": _pix2pix("pix2pix, small patches"),
    "pix2pix_imagegan": _pix2pix("pix2pix, ImageGAN"),
    # the rows of SPADE tables 3 to 5, by their printed names where those hold here
    "spade_short": _spade("decoder w/ SPADE (Ours)", multimodal=False),
    "spade_compact": _spade("compact decoder w/ SPADE", multimodal=False),
    "spade_wide": _spade("as wide as the paper's 141M", multimodal=False),
    "spade_concat": _spade("decoder w/ Concat", multimodal=False),
    "spade_noise": _spade("random input"),
    "spade_kernel5": _spade("kernelsize 5x5", multimodal=False),
    "spade_kernel1": _spade("kernelsize 1x1", multimodal=False),
    "spade_unsynced": _spade("BatchNorm", multimodal=False),
    "spade_instance": _spade("InstanceNorm", multimodal=False),
    "spade_without_perceptual": _spade("Ours w/o Perceptual loss", multimodal=False),
    "spade_without_feature": _spade("Ours w/o GAN feature matching loss", multimodal=False),
    "spade_deeper": _spade("Ours w/ a deeper discriminator", multimodal=False),
    "pix2pixhd_short": _pix2pixhd("pix2pixHD"),
    "pix2pixhdpp": _pix2pixhd("pix2pixHD++"),
    "pix2pixhdpp_spade": _pix2pixhd("pix2pixHD++ w/ SPADE"),
    "pix2pixhdpp_concat": _pix2pixhd("pix2pixHD++ w/ Concat"),
    "pix2pixhdpp_compact": _pix2pixhd("compact pix2pixHD++"),
    "pix2pixhdpp_unsynced": _pix2pixhd("pix2pixHD++ w/o Sync BatchNorm"),
    "pix2pixhdpp_free": _pix2pixhd("pix2pixHD++ w/o Sync BatchNorm, and w/o Spectral Norm"),
    "oasis": _oasis("OASIS", "rare_classes"),
    "oasis_perceptual": _oasis("OASIS + perceptual loss"),
    "oasis_unmixed": _oasis("w/o LabelMix"),
    "oasis_unbalanced": _oasis("w/o class balancing", "rare_classes"),
    "oasis_patch": _patch("SPADE+ (no VGG)"),
    "oasis_patch_perceptual": _patch("SPADE+ (VGG)"),
    # S3GAN; a number is the percentage of the labels that may be looked at
    "biggan": _biggan("BIGGAN"),
    "random_label": _biggan("RANDOM LABEL"),
    "single_label": _biggan("SINGLE LABEL"),
    "single_label_ss": _biggan("SINGLE LABEL (SS)"),
    "clustering": _biggan("CLUSTERING"),
    "clustering_ss": _biggan("CLUSTERING (SS)"),
    **{f"biggan_only_{k}": _biggan(f"BIGGAN-{k}%") for k in (5, 10, 20)},
    **{f"s2gan_{k}": _biggan(f"S2GAN, {k}%") for k in (5, 10, 20)},
    **{f"s2gan_soft_{k}": _biggan(f"S2GAN SOFT, {k}%") for k in (5, 10, 20)},
    **{f"s2gan_co_{k}": _biggan(f"S2GAN-CO, {k}%") for k in (5, 10, 20)},
    **{f"s3gan_{k}": _biggan(f"S3GAN, {k}%") for k in (5, 10, 20)},
    **{f"s3gan_co_{k}": _biggan(f"S3GAN-CO, {k}%") for k in (5, 10, 20)},
    "rotation": _labeller("rotations alone"),
    **{f"labeller_{k}": _labeller(f"{k}%") for k in (5, 10, 20)},
}
