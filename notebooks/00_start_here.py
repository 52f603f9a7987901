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
# # 00 · Start here
#
# **Question.** Given one label map, can we draw many images, and change the look of *one* part while everything else
# stays as it is?
#
# That is *semantically multi-modal image synthesis* (SMIS), the task of
# [Zhu et al., CVPR 2020](https://arxiv.org/abs/2003.12697). Their network, GroupDNet, does it with one idea: **group
# convolutions keep the classes apart, and the number of groups falls towards the output**. These notebooks rebuild it
# from the paper, on data that need no download, small enough for a laptop.
#
# | needs | |
# |---|---|
# | time | under a minute; the first picture in seconds |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** a GroupDNet at work that comes with the library, sliders that move one part of a picture, what an ideal
# generator would do, and where in these notebooks each table and figure of the five papers is.

# %% tags=["nbval-ignore-output"]
import smislib
from smislib import ui

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## A first picture
#
# A **label map** says which class every pixel belongs to. An image-to-image network turns it into an image. One label
# map fits many images: nothing in it says which colour the hair has. *Multi-modal* synthesis draws several of them, by
# feeding a random code `z` beside the labels. *Semantically* multi-modal synthesis splits the code into one piece per
# class, `z_c`, so that a new `z_c` repaints class `c` alone.
#
# This GroupDNet comes with the library; the README has the command that trained it. Its name says `demo`, the preset that
# it starts from, but it is trained for longer and on larger pictures. Each slider moves one class along a line from the
# code of a held-out image to another one. Drag *hair*, and see only the hair change. (Face, arms and legs share one skin
# tone in these data; a slider of one of them alone may do little.)

# %% tags=["widget"]
networks = smislib.load("shipped")
ui.explorer(networks, active="hair")

# %% [markdown]
# Where nothing can be dragged, on GitHub or in print, the cell shows a strip: in each row the same slider, from its left end
# to its right, and last where the image changed, bright where it changed most. Notebook 16 has the other widgets: a label
# painter, an appearance mixer, morphing.
#
# ## The data
#
# Our stand-in for the paper's DeepFashion photographs is `mannequins`, figures of eight classes that the library
# renders itself. Here are six that no network trains on, with their label maps.

# %%
import pandas as pd
import torch

from smislib import data, viz
from smislib.data import mannequins
from smislib.sample import encode, generate, generator, reconstruct, resample

spec, train = networks.experiment.data, networks.experiment.train
classes = data.classes(spec)
batch = smislib.batch(networks, "test", 6)
labels = batch["labels"]
made = f"{spec.height}×{spec.width}, {train.steps} steps of batch {train.batch}, seed {networks.experiment.seed}"
print("the shipped network:", made)
print("image", tuple(batch["image"].shape), "| label_map", tuple(batch["label_map"].shape), "|", ", ".join(classes.names))

# %%
fig = viz.image_rows({"label map": viz.colour(batch["label_map"], classes), "image": batch["image"]}, size=1.4)
viz.save(fig, "fig_00_task", f"Held-out mannequins of {spec.height}×{spec.width}, renderer seed {spec.seed}.", preset)
print(f"images span [{batch['image'].min():.1f}, {batch['image'].max():.1f}] of [-1, 1]")

# %% [markdown]
# ## What the ideal generator would do
#
# Since we own the renderer, we can do to a picture what we would like a network to do: draw the appearance of one class
# anew and keep the rest, shadows included. Each row below repaints one class of the first figure, six times.


# %%
def repaint(c: int, look: int) -> torch.Tensor:
    """The first test picture with another appearance of class c."""
    picture = mannequins.render(spec.seed, "test", 0, spec.width, {c: look})["image"]
    return torch.from_numpy(picture).movedim(-1, 0).float() / 127.5 - 1


shown = {name: classes.names.index(name) for name in ("hair", "upper clothes", "lower clothes", "background")}
original = batch["image"][:1]
ideal = {name: torch.cat([original, torch.stack([repaint(c, k) for k in range(6)])]) for name, c in shown.items()}

# %%
columns = ["original", *(f"look {k + 1}" for k in range(6))]
fig = viz.image_rows(ideal, columns, size=1.3)
caption = f"The renderer (seed {spec.seed}, {spec.height}×{spec.width}), repainting one class in each row: the ideal generator."
viz.save(fig, "fig_00_ideal", caption, preset)
print(f"{len(ideal)} rows of {len(ideal['hair'])} images, {spec.height}×{spec.width} pixels")

# %% [markdown]
# How far does a row keep to its class? We take the mean absolute change of a pixel, inside the class and outside it. An
# ideal generator changes nothing outside, except on the one-pixel border where both classes share a pixel.


# %%
def change(images: torch.Tensor, c: int) -> dict[str, float]:
    """Mean |image - first image| on a 0..2 scale, inside class c of the first label map and outside."""
    moved, inside = (images[1:] - images[:1]).abs().mean((0, 1)), batch["label_map"][0] == c
    return {"inside": moved[inside].mean().item(), "outside": moved[~inside].mean().item()}


perfect = pd.DataFrame({name: change(images, shown[name]) for name, images in ideal.items()}).T
perfect.round(2)

# %% [markdown]
# We see changes inside, and next to nothing outside. Both columns matter: a network that ignores its code has zeros
# outside too, and zeros inside.

# %% [markdown]
# ## What GroupDNet does
#
# First it must explain what it is shown: encode a held-out image into `z`, class by class, and generate the image again
# from its labels and `z`.

# %%
rebuilt = reconstruct(networks, batch["image"], labels)
print("labels", tuple(labels.shape), "-> reconstruction", tuple(rebuilt.shape))

# %% tags=["nbval-ignore-output"]
rows = {"label map": viz.colour(batch["label_map"], classes), "real": batch["image"], "reconstruction": rebuilt}
fig = viz.image_rows(rows, size=1.4)
viz.save(fig, "fig_00_reconstruction", f"Held-out reconstructions of the shipped GroupDNet: {made}.", preset)
print(f"mean |reconstruction - real| = {(rebuilt - batch['image']).abs().mean():.2f} on a scale of 0..2")

# %% [markdown]
# Now the task itself. We keep the code of the first image and draw only `z_c` anew, six times for each of four classes.

# %%
z = encode(networks, batch["image"][:1], labels[:1])
ours = {}
for name, c in shown.items():
    codes = torch.cat([z, resample(networks, z, c, 6, generator(seed, "start", c))])
    ours[name] = generate(networks, labels[:1], codes)
print("z", tuple(z.shape), "->", tuple(ours["hair"].shape), "for each of", ", ".join(ours))

# %% tags=["nbval-ignore-output"]
columns = ["encoded", *(f"draw {k + 1}" for k in range(6))]
fig = viz.image_rows(ours, columns, size=1.3)
viz.save(fig, "fig_00_resampled", f"One class resampled in each row, by the shipped GroupDNet: {made}.", preset)
table = pd.DataFrame({name: change(images, shown[name]) for name, images in ours.items()}).T
table.round(2)

# %% [markdown]
# The table reads as the one above: *inside* says how much a class obeys its own code, *outside* how much leaks into the
# rest. The paper measures the same two things with a perceptual distance and calls them mCSD (higher is better) and
# mOCD (lower is better); notebook 05 does so for eight networks.

# %% [markdown]
# ## Where everything is
#
# | notebook | topic | papers' tables and figures |
# |---|---|---|
# | 00 | this page | |
# | 01 | data: mannequins, photographs, your own folder | |
# | 02 | group convolution and conditional group norm: why classes stay apart | |
# | 03 | GroupDNet assembled: shapes, parameters, schedules | SMIS Table 4, Figures 2, 3, 7 to 10 |
# | 04 | training: the losses one by one, curves, samples over time | |
# | 05 | the ablation | SMIS Table 1, Figures 1, 4 |
# | 06 | your own images: the whole way on real photographs | |
# | 07 | label-to-image networks on three data sets | SMIS Table 2, Figures 5, 11 to 13 |
# | 08 | GroupDNet with one thing changed | SMIS Table 3 |
# | 09 | applications: mixing, editing label maps, morphing | SMIS Figures 6, 14 |
# | 10 | pix2pix | its Tables 1 to 6, Figures 4 to 8, 10 |
# | 11 | from a GAN to GauGAN, for a newcomer | |
# | 12 | SPADE | its Tables 1, 3 to 5 |
# | 13 | OASIS | its tables, and OASIS beside GroupDNet |
# | 14 | what a label buys a GAN | S3GAN, its labels |
# | 15 | S3GAN | its Tables 2 to 5, 12 to 14, Figures 1, 7, 8, 21 |
# | 16 | sliders, mixer, painter, morphing | |
# | 17 | the ledger: every claim of the five papers, and what our records say of it | |
# | 18 | speed: what a step costs, and what need not be computed | |
# | 90 | the embedded backbone: how the shipped networks behind our metrics were trained | |
#
# ## Summary

# %% tags=["nbval-ignore-output"]
print(f"the ideal generator: {perfect['inside'].mean():.2f} inside the class, {perfect['outside'].mean():.2f} outside")
print(f"the shipped GroupDNet: {table['inside'].mean():.2f} inside, {table['outside'].mean():.2f} outside")
print(f"classes: {len(classes)}; code of one image: {networks.schedule.z_channels} channels for each of them")
