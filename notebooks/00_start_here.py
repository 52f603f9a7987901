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
# | time | under a minute |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** the data, what an ideal generator would do with them, what a trained GroupDNet does, and where in
# these notebooks each table and figure of the paper is.

# %%
import pandas as pd
import torch

from smislib import data, presets, runs, viz
from smislib.data import mannequins
from smislib.sample import encode, generate, generator, reconstruct, resample
from smislib.train import train

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## The task
#
# A **label map** says which class every pixel belongs to. An image-to-image network turns it into an image. One label
# map fits many images: nothing in it says which colour the hair has. *Multi-modal* synthesis draws several of them, by
# feeding a random code `z` beside the labels. *Semantically* multi-modal synthesis splits the code into one piece per
# class, `z_c`, so that a new `z_c` repaints class `c` alone.
#
# Our stand-in for the paper's DeepFashion photographs is `mannequins`, figures of eight classes that the library
# renders itself. Here are six that no network trains on, with their label maps.

# %%
spec = presets.data_spec("mannequins", preset)
classes = data.classes(spec)
test = data.open_split(spec, "test")
batch = data.collate([test[i] for i in range(6)])
print("image", tuple(batch["image"].shape), "| label_map", tuple(batch["label_map"].shape), "|", ", ".join(classes.names))

# %%
fig = viz.image_rows({"label map": viz.colour(batch["label_map"], classes), "image": batch["image"]}, size=1.4)
viz.save(fig, "fig_00_task", f"Held-out mannequins at preset {preset}.", preset)
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
viz.save(fig, "fig_00_ideal", "The renderer, repainting one class in each row: what a generator should learn.", preset)
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
# If the run store holds a GroupDNet that was trained at this preset, we take it. Otherwise the next cell says how to
# get one, and trains the `smoke` version on the spot: a few steps, seconds, enough to see the machinery move and not
# enough to see a face.

# %% tags=["nbval-ignore-output"]
run = runs.run_of(presets.experiment("groupdnet", preset=preset, seed=seed))
trained = run.finished and preset != "smoke"
if not run.finished:
    print(f"No trained GroupDNet at preset {preset} yet. This command trains it: smis train groupdnet --preset {preset}")
    run = train(presets.experiment("groupdnet", preset="smoke", seed=seed), progress=False)
networks = runs.load(run.weights)
print(f"{run.experiment.name}: {run.experiment.train.steps} steps, images {networks.schedule.height}×{networks.schedule.width}")

# %% [markdown]
# First it must explain what it is shown: encode a held-out image into `z`, class by class, and generate the image again
# from its labels and `z`.

# %%
batch = presets.batch(networks, n=6)  # of the test split
labels = batch["labels"]
rebuilt = reconstruct(networks, batch["image"], labels)
print("labels", tuple(labels.shape), "-> reconstruction", tuple(rebuilt.shape))

# %% tags=["nbval-ignore-output"]
rows = {"label map": viz.colour(batch["label_map"], classes), "real": batch["image"], "reconstruction": rebuilt}
fig = viz.image_rows(rows, size=1.4)
viz.save(fig, "fig_00_reconstruction", f"Held-out reconstructions of {run.experiment.name}.", preset)
print(f"mean |reconstruction - real| = {(rebuilt - batch['image']).abs().mean():.3f} on a scale of 0..2")

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
viz.save(fig, "fig_00_resampled", f"One class resampled in each row, by {run.experiment.name}.", preset)
table = pd.DataFrame({name: change(images, shown[name]) for name, images in ours.items()}).T
print(table.assign(ratio=table["inside"] / table["outside"]).round(2))

# %% [markdown]
# The table reads as the one above: *inside* says how much a class obeys its own code, *outside* how much leaks into the
# rest. The paper measures the same two things with a perceptual distance and calls them mCSD (higher is better) and
# mOCD (lower is better); notebook 05 does so for six networks.

# %% tags=["nbval-ignore-output"]
if trained:
    print(f"Mean change inside the resampled class {table['inside'].mean():.3f}, outside {table['outside'].mean():.3f}.")
else:
    print("This network saw a handful of steps: take its pictures as a sign of life, and no more.")

# %% [markdown]
# ## Where everything is
#
# | of the SMIS paper | shows | here |
# |---|---|---|
# | Figure 1 | one part changes at a time | notebook 05 |
# | Figure 2 | GroupDNet, CG-Block, CG-Norm | notebook 03, drawn from the built network; their properties in 02 |
# | Figure 3 | MulNet, GroupNet, GroupDNet | notebook 03, likewise |
# | Figures 4, 11 | the ablation in pictures | notebook 05 |
# | Table 1 | the ablation in numbers: mCSD, mOCD, FID, LPIPS, speed, size | notebook 05; BicycleGAN and DSCGAN later |
# | Table 4, Figures 7 to 10 | channels and groups for each data set | notebook 03 |
# | Table 2, Figures 5, 12, 13 | against label-to-image networks | later, with pix2pixHD and SPADE |
# | Table 3 | ablation of details: class split, kind of norm, spectral norm | later; each is one value of the schedule (02, 03) |
# | Figures 6, 14 | appearance mixture, manipulation, morphing | notebook 09 |
#
# | notebook | topic |
# |---|---|
# | 00 | this page |
# | 01 | data: mannequins, photographs, your own folder |
# | 02 | group convolution and conditional group norm: why classes stay apart |
# | 03 | GroupDNet assembled: shapes, parameters, schedules |
# | 04 | training: the losses one by one, curves, samples over time |
# | 05 | the ablation |
# | 06 | your own images: the whole way on real photographs |
# | 09 | applications: mixing, editing label maps, morphing |
#
# The papers around SMIS (pix2pix, SPADE / GauGAN, OASIS, S3GAN) come later, each as one file of the library and
# notebooks of its own.
#
# ## Summary

# %%
print(f"the ideal generator: {perfect['inside'].mean():.2f} inside the class, {perfect['outside'].mean():.2f} outside")
print(f"classes: {len(classes)}; code of one image: {networks.schedule.z_channels} channels for each of them")
