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
# # 18 · Speed: what a step costs, and what need not be computed
#
# **Question.** How do time and memory of a training step grow with resolution, classes and batch, and which part of it is the
# same number computed over and over?
#
# | needs | |
# |---|---|
# | time | a minute; nothing is trained |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** the cost of a step counted before anything is computed, how few different neighbourhoods a label map has, what
# an absent class costs, and how much faster the library's own paths are than the plain ones.

# %% tags=["nbval-ignore-output"]
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from smislib import bench, class_sparse, cost, data, patterns, presets, results, schedules, viz
from smislib.config import DataSpec
from smislib.layers import CGNorm
from smislib.models import groupdnet

# %% tags=["parameters"]
preset = "demo"

# %% [markdown]
# ## A step, counted
#
# `cost.of_step` runs a step of all players on tensors without storage: shapes are right, nothing is computed, and every
# convolution is counted, forward and backward. The networks are the paper's, at any preset; only the range of sizes is shorter at
# `smoke`. Up to 16 classes the widths are those of the released DeepFashion network, with more those of ADE20K's.

# %%
sizes = [128, 256, 512] if preset != "smoke" else [128, 256]  # six upsamplings: 128x64 is the least that they take
class_counts = [8, 20, 50, 100, 151, 182] if preset != "smoke" else [8, 20]
batches = [1, 2, 4, 8] if preset != "smoke" else [1, 2]
PRESENT = 10  # classes in one image
paper = presets.experiment("groupdnet", "ade20k", "paper", 0)


def step(model: str, size: int, C: int, batch: int = 1, present: int | None = None) -> cost.Cost:
    """The cost of a step of a SMIS variant; with `present`, of the part of it that so many classes own."""
    s = schedules.schedule(model, "paper", size, size, C)
    s = s if present is None else replace(class_sparse.of_some(s, present), spectral=True)
    return cost.of_step(replace(paper, network=s, data=replace(paper.data, height=size, width=size)), batch)


rows = [("resolution", "groupdnet", n, step("groupdnet", n, 8)) for n in sizes]
rows += [("batch", "groupdnet", n, step("groupdnet", 128, 8, n)) for n in batches]
for model in ("groupdnet", "groupnet", "mulnet"):
    rows += [("classes", model, n, step(model, 128, n)) for n in class_counts]
rows += [("classes", "groupnet, sparse", n, step("groupnet", 128, n, present=min(n, PRESENT))) for n in class_counts]
costs = pd.DataFrame(
    [(over, model, n, c.flops / 1e9, c.activations / 2**30) for over, model, n, c in rows],
    columns=["grows", "model", "at", "GFLOP", "GiB kept"],
)
caption = (
    "One step of G, E and D at the widths of preset paper: operations, and float32 memory kept for G's backward pass. "
    "Resolution: 8 classes, batch 1. Batch: 8 classes, 128x128. Classes: 128x128, batch 1; sparse: the network of the 10 classes "
    "that an image shows, weights of the others not counted. Dense path; not timed."
)
saved = results.save_table(costs.round(2).set_index("grows"), caption, "table_speed_cost", preset)
costs.round(2)

# %% [markdown]
# Four times the pixels are four times the work. From 20 classes on the total width hardly grows (ADE20K's rule), so GroupNet does
# hardly more work for more classes; but each class has at least one channel at full resolution, and that is kept. With
# `network.sparse` only the 10 classes that an image shows are computed, so the more classes there are, the more is skipped. What
# stays is D and VGG19, which see the whole image.

# %%
LIMITS = {"GFLOP": (50, 2e4), "GiB kept": (0.1, 12)}
fig, axes = plt.subplots(2, 3, figsize=(8.2, 4.6), layout="constrained")
for (over, group), column in zip(costs.groupby("grows", sort=False), axes.T, strict=True):
    for (model, line), marker in zip(group.groupby("model", sort=False), "osD^", strict=False):
        for ax, what in zip(column, ("GFLOP", "GiB kept"), strict=True):
            ax.set_ylim(*LIMITS[what])
            ax.plot(line["at"], line[what], marker=marker, ms=4, label=model)
    for ax in column:
        ax.set_yscale("log")
        if over != "classes":
            ax.set_xscale("log", base=2)
        ax.set_xticks(group["at"].unique(), [str(n) for n in group["at"].unique()], rotation=45 if over == "classes" else 0)
        ax.minorticks_off()
    column[1].set_xlabel(over)
axes[0, 0].set_ylabel("GFLOP a step")
axes[1, 0].set_ylabel("GiB kept")
axes[0, 2].legend(fontsize=7)
saved = viz.save(fig, "fig_speed_cost", caption, preset)

# %% [markdown]
# ## Few neighbourhoods
#
# How much of the generator's forward pass computes gamma and beta?

# %%
shares = {}
for C in (class_counts[0], class_counts[-1]):
    s = schedules.schedule("groupdnet", "paper", 128, 128, C)
    with torch.device("meta"):
        G, labels, z = groupdnet.Generator(s), torch.empty(1, C, 128, 128), torch.empty(1, *s.z_shape)
    with FlopCounterMode(display=False) as counter:
        G(labels, z)
    counted = {module: sum(of.values()) for module, of in counter.get_flop_counts().items()}
    norms = [f"Generator.{name}" for name, module in G.named_modules() if isinstance(module, CGNorm)]
    shares[C] = sum(counted[name] for name in norms) / counted["Global"]
    print(f"{C:3} classes: {shares[C]:.0%}")

# %% [markdown]
# Most of it. They depend on the labels in a 5x5 neighbourhood alone, and a label map has few different ones. Bright pixels below
# are the first of their kind; all others repeat one of them.

# %%
size = 256 if preset != "smoke" else 64
shown = {}
for name in ("mannequins", "rooms", "streets"):
    width = 2 * size if name == "streets" else size
    spec = DataSpec(name, size, width)
    label_map = data.open_first(spec, "test", 1)[0]["label_map"]
    C = len(data.classes(spec))
    labels = torch.nn.functional.one_hot(label_map, C).movedim(-1, 0)[None].float()
    shown[name] = (spec, label_map, patterns.find(labels, C))
pd.DataFrame(
    [
        (name, f"{spec.height}x{spec.width}", label_map.numel(), len(found.patches), len(found.near))
        for name, (spec, label_map, found) in shown.items()
    ],
    columns=["data", "size", "pixels", "3x3 neighbourhoods", "5x5 neighbourhoods"],
)

# %%
fig, axes = plt.subplots(2, 3, figsize=(8.2, 4.2), layout="constrained", width_ratios=[1, 1, 2])
for (name, (spec, label_map, found)), (top, bottom) in zip(shown.items(), axes.T, strict=True):
    where = found.where.flatten()
    first = torch.full((len(found.near),), len(where)).scatter_reduce(0, where, torch.arange(len(where)), "amin")
    mark = torch.zeros(len(where)).index_fill(0, first, 1.0).view(label_map.shape)
    top.imshow(viz.to_pil(viz.condition({"label_map": label_map[None]}, data.classes(spec))[0]))
    bottom.imshow(torch.nn.functional.max_pool2d(mark[None, None], 3, 1, 1)[0, 0], cmap="gray")
    top.set_title(name)
    bottom.set_title(f"{len(found.near)} of {len(where)} pixels")
    for ax in (top, bottom):
        ax.set_axis_off()
saved = viz.save(
    fig,
    "fig_speed_neighbourhoods",
    "A held-out label map of each data set (seed 0), and the first pixel of each 5x5 neighbourhood that it has, drawn 3x3.",
    preset,
)

# %% [markdown]
# `patterns.find` numbers them, `Patterns.table` computes gamma and beta once for each, and `Patterns.modulate` hands them out.
# The result, and the gradient, are those of the convolutions over the whole map. Where one label map is drawn with many codes,
# as by a slider, `folded.fold` keeps the table too.
#
# ## How much faster
#
# `smis bench` lets a plain way and ours compute the same from the same inputs, in turn; a ratio is the median of the turns.
# Here is what it measured on this machine, or else what the library comes with.

# %% tags=["nbval-ignore-output"]
WHAT = {
    "generator": "GroupDNet at the paper's size draws an image",
    "generator deepfashion bf16": "the same, the plain way in fp32, ours in bf16",
    "step": "its G alone, forward and backward",
    "classes": "MulNet, forward and backward, on an image that shows few of the classes",
    "class view": "what the encoder is given: each class cut out and enlarged",
    "mCSD": "diversity of images that are there",
    "mCSD with generator": "the same, and the images are drawn",
}
measured = bench.rows()
for r in measured:
    what, sizes = WHAT.get(r.name) or WHAT.get(r.name.split()[0], ""), ", ".join(f"{k} {v}" for k, v in r.sizes.items())
    print(f"{r.name}: {what} ({sizes})")
table = pd.DataFrame(
    [(r.name, r.ratio, r.cpu_ratio, f"{r.max_error:.0e}", r.turns, r.device) for r in measured],
    columns=["what", "plain / ours", "in CPU seconds", "largest difference", "turns", "device"],
).set_index("what")
versions = {name: sorted({r.versions[name] for r in measured}) for name in (measured[0].versions if measured else {})}
note = "Plain against ours, seconds on one machine, median of turns; made by `smis bench`. " + ", ".join(
    f"{name} {' or '.join(of)}" for name, of in versions.items()
)
saved = results.save_table(table.round(2), note, "table_speed_bench", preset)
table.round(2)

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
for C, share in shares.items():
    print(f"{C} classes: {share:.0%} of the operations of G, forward, are for gamma and beta")
for name, (_, label_map, found) in shown.items():
    print(f"{name}: {len(found.near) / label_map.numel():.1%} of the pixels have a 5x5 neighbourhood that no other had before")
ratios = [r.ratio for r in measured]
print(f"the library's ways: {min(ratios, default=1):.1f} to {max(ratios, default=1):.1f} times as fast as the plain ones")
