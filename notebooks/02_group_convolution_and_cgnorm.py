# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Group convolution and conditional group norm
#
# **Question.** Why does a new code for the hair leave the shoes alone, and where in the network does that stop being true?
#
# | needs | |
# |---|---|
# | time | seconds; nothing is trained |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** group convolution by hand, conditional group norm (CG-Norm), what the encoder is shown, and the
# gradient of each class's features with respect to each class's code: exactly 0 where groups separate two classes.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.colors import LogNorm
from torch import nn

from smislib import data, presets, viz
from smislib.class_view import crop_by_class, split_by_class
from smislib.layers import CGNorm
from smislib.models.groupdnet import Networks
from smislib.sample import class_slice, draw, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %%
spec = presets.data_spec("mannequins", preset)
classes = data.classes(spec)
test = data.open_split(spec, "test")
batch = data.collate([test[i] for i in range(4)])
labels = data.labels(batch, classes)
C = len(classes)
print("image", tuple(batch["image"].shape), "labels", tuple(labels.shape), "C =", C)

# %% [markdown]
# ## A group convolution is g convolutions side by side
#
# With `groups=g`, the channels are cut into g runs. Run j of the output reads run j of the input, and nothing else. By
# hand:


# %%
def by_hand(x: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """A 3x3 group convolution as one plain convolution for each group."""
    pairs = zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)
    return torch.cat([F.conv2d(part, w, padding=1) for part, w in pairs], 1)


# %%
rng = generator(seed, "notebook 02")
x, weight = torch.randn(2, 2 * C, 8, 8, generator=rng), torch.randn(4 * C, 2, 3, 3, generator=rng)
ours, theirs = by_hand(x, weight, C), F.conv2d(x, weight, padding=1, groups=C)
print("weight", tuple(weight.shape), "output", tuple(ours.shape))
print("by hand, expected F.conv2d(groups=C), match:", torch.allclose(ours, theirs, atol=1e-5))

# %% [markdown]
# If we order the channels **class-major**, class c owning the c-th run, then C groups are C small networks in one
# tensor. The price list: g groups have 1/g of the weights of a plain convolution of the same width. So at a fixed number
# of parameters, a grouped network can be wide.

# %%
width = 64
counts = pd.Series({g: nn.Conv2d(width, width, 3, groups=g, bias=False).weight.numel() for g in (1, 2, 4, 8)}, name="weights")
print(pd.DataFrame({"weights": counts, "share": counts / counts[1]}).rename_axis("groups"))
print("expected 1/g, match:", all(counts[g] * g == counts[1] for g in counts.index))

# %% [markdown]
# ## What the encoder is shown: the class split
#
# Grouping the encoder is of no use if every group sees the whole image. So the image is masked by each class,
# `X_c = M_c · X`, and the C masked images are stacked: group c sees class c and nothing else (SMIS section 3.3).

# %%
split = split_by_class(batch["image"], labels)
print("split", tuple(split.shape), "expected", (4, 3 * C, spec.height, spec.width), "match:", split.shape[1] == 3 * C)
rejoined = split.unflatten(1, (C, 3)).sum(1)
print("the parts sum to the image, match:", torch.equal(rejoined, batch["image"]))

# %% [markdown]
# The released code goes one step further than the paper says: it crops each part to its bounding box and stretches the
# crop over the frame (`class_view="crop"`). That throws position and size away, which the labels hold anyway, and gives
# small parts as many pixels as large ones.

# %%
cropped, _ = crop_by_class(batch["image"], labels)
views = {"masked": split[0].unflatten(0, (C, 3)), "cropped": cropped[0].unflatten(0, (C, 3))}
rows = {name: torch.cat([batch["image"][:1], parts]) for name, parts in views.items()}
fig = viz.image_rows(rows, ["image", *classes.names], size=1.2)
caption = f"What each group of the encoder sees of a held-out image; preset {preset}, renderer seed {spec.seed}. Mid-grey is 0."
viz.save(fig, "fig_02_class_split", caption, preset)
filled = {k: (v != 0).any(1).float().mean((1, 2)) for k, v in views.items()}
print(pd.DataFrame({f"{k}: share not 0": v.tolist() for k, v in filled.items()}, classes.names).round(2))

# %% [markdown]
# ## Conditional group norm
#
# SPADE normalises features without own parameters and then scales and shifts them with maps γ and β, made from the label
# map by convolutions. CG-Norm is SPADE with group convolutions: γ and β of class c's channels come from class c's mask
# alone.
#
# $$ \text{CG-Norm}(x, \text{labels}) = \text{norm}(x)\,(1 + \gamma(\text{labels})) + \beta(\text{labels}) $$

# %%
torch.manual_seed(seed)  # of the initial weights
norm = CGNorm(4 * C, C, hidden=2 * C, shared_groups=C, affine_groups=C).eval()
x = torch.randn(4, 4 * C, spec.height, spec.width, generator=rng)
y = norm(x, labels)
print("x", tuple(x.shape), "labels", tuple(labels.shape), "->", tuple(y.shape))

# %% [markdown]
# First test: with γ = β = 0 only the plain norm is left.

# %%
plain = CGNorm(4 * C, C, hidden=2 * C, shared_groups=C, affine_groups=C).eval()
for conv in (plain.gamma, plain.beta):
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
print("gamma = beta = 0, expected the plain norm, match:", torch.equal(plain(x, labels), plain.norm(x)))

# %% [markdown]
# Second test: renaming the classes changes nothing. If we permute the classes of the labels and of the features, and the
# weights of each convolution along with them, the output is the old one with its classes permuted.


# %%
def permuted(tensor: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """The C runs of a class-major dimension in another order."""
    return torch.cat([tensor.chunk(C, dim)[c] for c in order], dim)


# %%
order = torch.randperm(C, generator=rng).tolist()
renamed = CGNorm(4 * C, C, hidden=2 * C, shared_groups=C, affine_groups=C).eval()
renamed.load_state_dict({key: permuted(value, 0) for key, value in norm.state_dict().items()})
print("order", order)
print("renamed classes, expected the output renamed, match:", torch.allclose(renamed(permuted(x), permuted(labels)), permuted(y)))

# %% [markdown]
# Third: how far does γ look? Two 3×3 convolutions see a 5×5 neighbourhood of the label map. The gradient of γ at one pixel
# with respect to the labels shows it, one map for each class. The pixel below belongs to the second class's channels.

# %%
asked = torch.zeros(1, C, 11, 11, requires_grad=True)
gamma = norm.gamma(norm.shared(asked + 0.5).abs())  # abs for ReLU: no gradient is switched off by chance
own = gamma[0].chunk(C)[1]
reach = torch.autograd.grad(own[:, 5, 5].square().sum(), asked)[0][0].abs()
rows, columns = (reach[1] > 0).any(1).sum().item(), (reach[1] > 0).any(0).sum().item()
print(f"own class: {rows}×{columns} pixels, expected 5×5, match: {(rows, columns) == (5, 5)}")
print("other classes: gradient exactly 0, match:", bool((reach[torch.arange(C) != 1] == 0).all()))

# %%
fig, axes = plt.subplots(1, C, figsize=(10, 1.6))
for ax, part, name in zip(axes, reach / reach.max(), classes.names, strict=True):
    mesh = ax.imshow(part.where(part > 0, torch.nan), cmap="viridis_r", norm=LogNorm(1e-2, 1))
    ax.set_title(name, fontsize=8)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color="0.7")
fig.colorbar(mesh, ax=axes, label="share of the largest", pad=0.015)
caption = (f"|gradient| of γ at the middle pixel, {classes.names[1]}'s channels, by each class's mask. "
           f"Untrained, preset {preset}, seed {seed}. White is exactly 0.")  # fmt: skip
viz.save(fig, "fig_02_reach", caption, preset)
print("pixels with a gradient:", (reach > 0).sum((1, 2)).tolist())

# %% [markdown]
# ## The cross-class gradient
#
# Now the whole generator. Take the features of some layer, keep class c′'s channels, and differentiate them with respect
# to the code z_c of another class. As long as every layer on the way is grouped by class, the result is not small, it is
# **exactly 0**: there is no path.


# %%
def influence(networks: Networks, layer: int) -> torch.Tensor:
    """(C,C): row c', column c: |d features of class c' / d z_c| at a layer (0 is `fc`, then the blocks)."""
    z = draw(networks, 1, generator(seed, "influence")).requires_grad_()
    parts = networks.G.features(labels[:1], z)[layer].chunk(C, 1)
    gradients = [torch.autograd.grad(part.square().sum(), z, retain_graph=True)[0] for part in parts]
    return torch.stack([torch.stack([g[:, class_slice(networks, c)].norm() for c in range(C)]) for g in gradients])


# %% [markdown]
# The networks are untrained. Batch norm gathers its statistics on the way, so each network first sees the batch a few times
# in training mode; its weights stay as they are.


# %%
@torch.no_grad()
def settled(networks: Networks) -> Networks:
    """The networks in eval mode, their norms settled on the batch."""
    for _ in range(10):
        networks.G(labels, draw(networks, len(labels), rng))
    return networks.eval()


# %%
groupdnet = settled(presets.build("groupdnet", preset=preset, seed=seed))
schedule = groupdnet.schedule
with torch.no_grad():
    shapes = [tuple(f.shape[1:]) for f in groupdnet.G.features(labels[:1], draw(groupdnet, 1, rng))]
print(pd.DataFrame({"features": shapes, "groups": (schedule.groups[0], *schedule.groups)},
                   ["fc", *(f"block {i + 1}" for i in range(len(schedule.groups)))]))  # fmt: skip

# %% [markdown]
# Two classes may touch at a layer if they share a group there, and nowhere else. From the list of groups alone we can
# say which entries of the C × C matrix must be 0.


# %%
def may_touch(groups: int) -> torch.Tensor:
    """(C,C) bool: whether two classes share one of `groups` runs of channels."""
    group = torch.arange(C) * groups // C
    return group[:, None] == group[None]


# %%
measured = [influence(groupdnet, i) for i in range(len(schedule.groups) + 1)]
for name, m, g in zip(["fc", *(f"block {i + 1}" for i in range(len(measured) - 1))], measured,
                      (schedule.groups[0], *schedule.groups), strict=True):  # fmt: skip
    allowed = may_touch(g)
    print(f"{name:8} groups {g}: {int((m != 0).sum()):2} of {C * C} entries not 0, expected {int(allowed.sum())}, "
          f"match: {torch.equal(m != 0, allowed)}")  # fmt: skip

# %% [markdown]
# The same, for GroupEnc: the same encoder and code, but a decoder without groups. Its classes touch from the first layer
# on.

# %%
groupenc = settled(presets.build("groupenc", preset=preset, seed=seed))
plain_decoder = [influence(groupenc, i) for i in range(len(schedule.groups) + 1)]
print("GroupEnc, entries not 0 at each layer:", [int((m != 0).sum()) for m in plain_decoder])

# %%
names = ["fc", *(f"block {i + 1}" for i in range(len(schedule.groups)))]
fig, axes = plt.subplots(2, len(names), figsize=(1.75 * len(names) + 0.9, 3.9), squeeze=False)
models = {"GroupDNet": (measured, schedule.groups), "GroupEnc": (plain_decoder, groupenc.schedule.groups)}
for row, (model, (matrices, groups)) in zip(axes, models.items(), strict=True):
    for ax, name, m, g in zip(row, names, matrices, (groups[0], *groups), strict=True):
        scaled = (m / m.amax(1, keepdim=True)).where(m > 0, torch.nan)  # each row by its largest entry; exact zeros stay white
        mesh = ax.imshow(scaled, cmap="viridis_r", norm=LogNorm(1e-2, 1))
        ax.set_title(f"{name}, {g} group{'s' * (g > 1)}")
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set(visible=True, color="0.7")
    row[0].set_ylabel(f"{model}\nfeatures of class $c'$")
    row[0].set_yticks(range(C), classes.names, fontsize=6.5)
for ax in axes[-1]:
    ax.set_xlabel("code $z_c$")
fig.colorbar(mesh, ax=axes, label="|gradient|, share of its row's largest", shrink=0.8, pad=0.015)
caption = f"Which class's code moves which class's features; untrained, preset {preset}, seed {seed}. White is exactly 0."
viz.save(fig, "fig_02_isolation", caption, preset)
print("white cells, GroupDNet:", [int((m == 0).sum()) for m in measured])

# %% [markdown]
# This is GroupDNet's design in one picture. The early blocks, where *what a part looks like* is decided at low
# resolution, keep every class to itself. Then the groups grow together, so that neighbouring parts can agree (the skin of
# face and arms, light, a clean border), and the last block sees all.
#
# ### Forward
#
# The same statement without derivatives: draw a new code for one class, and look at which features move.

# %%
c = classes.names.index("upper clothes")
z = draw(groupdnet, 1, generator(seed, "before"))
moved = z.clone()
moved[:, class_slice(groupdnet, c)] = draw(groupdnet, 1, generator(seed, "after"))[:, class_slice(groupdnet, c)]
with torch.no_grad():
    before, after = (groupdnet.G.features(labels[:1], code) for code in (z, moved))
for name, a, b, g in zip(names, before, after, (schedule.groups[0], *schedule.groups), strict=True):
    touched = [bool((p != q).any()) for p, q in zip(a.chunk(C, 1), b.chunk(C, 1), strict=True)]
    print(f"{name:8} moved: {', '.join(n for n, t in zip(classes.names, touched, strict=True) if t):60}"
          f" match: {touched == may_touch(g)[c].tolist()}")  # fmt: skip

# %% [markdown]
# ## What the norm may leak
#
# One thing in a block is not a convolution: the norm. Batch norm treats each channel by itself, so it cannot carry one class
# into another. Group norm takes its statistics over a *group* of channels: with one group per class it stays
# separate too, with fewer it mixes exactly as the convolutions do. Appendix D of the paper tries both.

# %%
grouped = settled(Networks(replace(schedule, norm="group")))
matrices = [influence(grouped, i) for i in range(len(schedule.groups) + 1)]
expected = [may_touch(g) for g in (schedule.groups[0], *schedule.groups)]
isolated = all(bool((m[~e] == 0).all()) for m, e in zip(matrices, expected, strict=True))
print("group norm: zeros where groups separate the classes, match:", isolated)

# %% [markdown]
# ## Summary
#
# A class's code reaches another class's features only through a layer whose groups join the two. Group convolutions make that
# structural: the zeros are exact at any weights, before training and after it.

# %%
print(f"GroupDNet at preset {preset}: groups {schedule.groups}")
apart = sum(bool((m == 0).sum() == C * (C - 1)) for m in measured)
print(f"layers in which no two of the {C} classes touch: the first {apart} of {len(measured)}")
print(f"gamma and beta look at {rows}×{columns} labels, of their own class while there are {C} groups")
