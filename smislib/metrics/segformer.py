"""The segmenters of the paper preset: SegFormer (Xie et al., 2105.15203), pretrained for each real data set.

SMIS measured with UperNet-101 on ADE20K, DRN-D-105 on Cityscapes and CIHP_PGN on DeepFashion (Table 2, appendix B). Their
weights are scattered and partly gone, so one kept family stands in for all three; the values are near the papers', not equal,
and the protocol says whose they are. Written from the paper; `transformers` publishes the weights and names the tensors.
"""

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import label_tables as tables
from ..errors import SmisError
from . import backbones

HEADS, REDUCTION = (1, 2, 5, 8), (8, 4, 2, 1)  # of the four stages, table 6
WIDTHS, DECODER = (64, 128, 320, 512), 768  # MiT-B1 .. B5
B2, B5 = (3, 4, 6, 3), (3, 6, 40, 3)  # blocks of each stage
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the training images, in [0,1]


class Attention(nn.Module):
    """Self-attention whose keys and values are of an image `reduction` times smaller (section 3.1)."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        if reduction > 1:
            self.reduce, self.norm = nn.Conv2d(width, width, reduction, reduction), nn.LayerNorm(width)
        self.reduction = reduction

    def forward(self, x: Tensor) -> Tensor:
        """(N,h,w,c) -> (N,h,w,c)."""
        small = self.norm(self.reduce(x.movedim(-1, 1)).movedim(1, -1)) if self.reduction > 1 else x
        q, k, v = (
            f.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N,heads,h*w,c/heads)
            for f in (self.query(x), self.key(small), self.value(small))
        )
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """Attention, then Mix-FFN: a depthwise 3x3 conv between two linear layers tells where a token is (equation 3)."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, reduction)
        self.expand, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mix = nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        mixed = self.mix(self.expand(self.norm_2(x)).movedim(-1, 1)).movedim(1, -1)
        return x + self.shrink(F.gelu(mixed))


class SegFormer(nn.Module):
    """x (N,3,H,W), standardised -> logits (N,K,H/4,W/4) of K labels. H and W multiples of 32."""

    def __init__(self, K: int, depths: tuple[int, ...], widths: tuple[int, ...] = WIDTHS, decoder: int = DECODER):
        super().__init__()
        before = (3, *widths[:-1])
        self.embed = nn.ModuleList(
            nn.Conv2d(a, b, 3 if i else 7, 2 if i else 4, padding=1 if i else 3)
            for i, (a, b) in enumerate(zip(before, widths, strict=True))
        )
        self.embed_norm, self.norm = (nn.ModuleList(nn.LayerNorm(c) for c in widths) for _ in range(2))
        self.blocks = nn.ModuleList(
            nn.ModuleList(Block(c, heads, reduction) for _ in range(n))
            for c, n, heads, reduction in zip(widths, depths, HEADS, REDUCTION, strict=True)
        )
        self.lift = nn.ModuleList(nn.Linear(c, decoder) for c in widths)
        self.fuse = nn.Conv2d(4 * decoder, decoder, 1, bias=False)
        self.fuse_norm = nn.BatchNorm2d(decoder)
        self.classify = nn.Conv2d(decoder, K, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for embed, embed_norm, blocks, norm, lift in zip(
            self.embed, self.embed_norm, self.blocks, self.norm, self.lift, strict=True
        ):
            tokens = embed_norm(embed(x).movedim(1, -1))  # (N,h,w,c)
            for block in blocks:
                tokens = block(tokens)
            tokens = norm(tokens)
            x, lifted = tokens.movedim(-1, 1), lift(tokens).movedim(-1, 1)
            size = maps[0].shape[-2:] if maps else lifted.shape[-2:]  # of the first stage, H/4
            maps.append(F.interpolate(lifted, size=size, mode="bilinear", align_corners=False))
        return self.classify(self.fuse_norm(self.fuse(torch.cat(maps[::-1], 1))).relu())


# the published name of a tensor -> ours
_ENCODER = r"segformer\.encoder\."
NAMES = (
    (_ENCODER + r"patch_embeddings\.(\d)\.proj", r"embed.\1"),
    (_ENCODER + r"patch_embeddings\.(\d)\.layer_norm", r"embed_norm.\1"),
    (_ENCODER + r"layer_norm", "norm"),
    (_ENCODER + r"block", "blocks"),
    (r"layer_norm_(\d)", r"norm_\1"),
    (r"attention\.self\.sr", "attention.reduce"),
    (r"attention\.self\.layer_norm", "attention.norm"),
    (r"attention\.self", "attention"),
    (r"attention\.output\.dense", "attention.out"),
    (r"mlp\.dense1", "expand"),
    (r"mlp\.dense2", "shrink"),
    (r"mlp\.dwconv\.dwconv", "mix"),
    (r"decode_head\.linear_c\.(\d)\.proj", r"lift.\1"),
    (r"decode_head\.linear_fuse", "fuse"),
    (r"decode_head\.batch_norm", "fuse_norm"),
    (r"decode_head\.classifier", "classify"),
)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict with the names of `SegFormer`."""
    found = {}
    for key, value in state.items():
        for theirs, ours in NAMES:
            key = re.sub(theirs, ours, key)
        found[key] = value
    return found


@dataclass(frozen=True)
class Pretrained:
    """A published SegFormer. `height`: to which images are resized, that of its training; `remap`: its labels as classes."""

    model: str
    revision: str
    depths: tuple[int, ...]
    height: int
    remap: tables.Remap
    widths: tuple[int, ...] = WIDTHS
    decoder: int = DECODER

    @property
    def weights(self) -> backbones.Official:
        name = self.model.split("/")[1]
        url = f"https://huggingface.co/{self.model}/resolve/{self.revision}/pytorch_model.bin"
        return backbones.Official(f"{name}-{self.revision[:8]}.bin", url, "mIoU of the papers' protocol")


PRETRAINED = {
    "cityscapes": Pretrained(
        "nvidia/segformer-b5-finetuned-cityscapes-1024-1024",
        "d474213c2b02d17db3fa814f371fe6fdb14d3929",
        B5,
        1024,
        tables.CITYSCAPES_TRAIN_IDS,
    ),
    "ade20k": Pretrained(
        "nvidia/segformer-b5-finetuned-ade-640-640",
        "92fa5463ede2d14a30ba25dfac3a7a52df049f4f",
        B5,
        640,
        tables.ADE20K_PREDICTED,
    ),
    "deepfashion": Pretrained(
        "mattmdjaga/segformer_b2_clothes",
        "257c7639bb409e6907d8431418017bb9574b5127",
        B2,
        512,
        tables.ATR,
    ),
}


class Segformer:
    """What reads the labels of `mIoU`: images (N,3,H,W) in [-1,1] -> classes int64 (N,H,W) of the data set `data`.

    One image at a time, bilinear to the network's own height, the logits bilinear back to the image's size.
    Raises SmisError, before any work, when the weights are not on this machine: `SMIS_WEIGHTS` or torch's hub cache.
    """

    suffix = ""

    def __init__(self, data: str, device: str | torch.device = "cpu"):
        chosen = PRETRAINED[data]
        path = chosen.weights.find()
        labels = [row[0] for row in chosen.remap.rows]
        net = SegFormer(len(labels), chosen.depths, chosen.widths, chosen.decoder)
        try:
            net.load_state_dict(renamed(chosen.weights.read(path)))
        except RuntimeError as error:
            raise SmisError(f"{path} is not {chosen.model}: its tensors do not fit. {chosen.weights.advice()}") from error
        self.net, self.device, self.height = net.to(device).eval().requires_grad_(False), device, chosen.height
        self.mean, self.std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, STD))
        self.classes = torch.from_numpy(chosen.remap.lookup()[labels]).long().to(device)  # of each label
        self.predicts = tuple(sorted(set(self.classes.tolist())))
        self.protocol = {
            "backbone": f"SegFormer {chosen.model} at {chosen.revision[:8]}",
            "weights": backbones.file_hash(path),
            "image range": "[-1,1]",
            "resize": f"bilinear to height {chosen.height}; logits bilinear to the label map's size",
            "labels": chosen.remap.name,
        }

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        H, W = images.shape[-2:]
        size = (self.height, round(self.height * W / H / 32) * 32)
        found = []
        for image in images.to(self.device).split(1):
            x = F.interpolate((image + 1) / 2, size=size, mode="bilinear", align_corners=False)
            logits = self.net((x - self.mean) / self.std)
            logits = F.interpolate(logits, size=(H, W), mode="bilinear", align_corners=False)
            found.append(self.classes[logits.argmax(1)])
        return torch.cat(found)
