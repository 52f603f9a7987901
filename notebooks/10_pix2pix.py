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
# # 10 · pix2pix: one network for many tasks
#
# **Question.** *Image-to-Image Translation with Conditional Adversarial Networks* (1611.07004) trains the same network, with
# the same loss, for label maps, edges, greyscale and maps. What does each part of it do: the L1 term, the discriminator that
# sees the input, the skip connections, the size of the patch?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained the networks; else the time to train and measure them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** the networks with the paper's parameter counts, Tables 1, 2, 3 and 6 with what the paper prints, its
# Figures 4 to 8 and 10, the protocol of its human study, and each statement of the paper checked.

# %% tags=["nbval-ignore-output"]
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from smislib import claims, data, presets, results, runs, study, viz
from smislib.evaluate import HeldOut, judges
from smislib.metrics import colour, segmentation
from smislib.models import pix2pix
from smislib.papers import pix2pix as paper
from smislib.reproduce import ready
from smislib.sample import draw, generate, generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## The networks
#
# The generator is a **U-Net**: eight convolutions halve a 256x256 picture down to one cell, eight transposed ones double it
# again, and each level on the way up also gets the features of the same size from the way down. So an edge of the input need
# not squeeze through one cell. Without these skips it is the **encoder-decoder**.

# %%
released = pix2pix.Schedule(C=3, height=256, width=256)
U, D = (getattr(pix2pix.Networks(released), player) for player in "GD")
for name, net, expected in (("U-Net", U, 54_413_955), ("70x70 PatchGAN", D, 2_768_705)):
    found = sum(p.numel() for p in net.parameters())
    print(f"{name}: we see {found:,} parameters, expected {expected:,}, match: {found == expected}")

# %% [markdown]
# The discriminator is a **PatchGAN**: each of its outputs sees one patch of the image, and says whether that patch is real.
# How large a patch is follows from the convolutions: each widens the field by (kernel - 1) times the strides before it.

# %%
for patch in (1, 16, 70, 286):
    net = pix2pix.PatchGAN(6, patch, width=64, statistics="image")
    field, convs = pix2pix.receptive_field(net), len(net)
    print(f"{patch:3}x{patch:<3} {convs} convolutions, field {field}, expected {patch}, match: {field == patch}")

# %% [markdown]
# A gradient shows the same thing numerically: one logit of the 70x70 PatchGAN depends on 70 rows of its input and on no more.

# %%
pixels = torch.zeros(1, 6, 256, 256, requires_grad=True)
far = pix2pix.PatchGAN(6, 70, width=4, statistics="batch")
for module in far.modules():
    if isinstance(module, pix2pix.BatchNorm):
        module.forward = lambda x: x  # a norm would let every pixel touch every logit, a little
far(pixels)[0][-1][0, 0, 15, 15].backward()
rows = pixels.grad[0].abs().sum((0, 2)).nonzero().flatten()
print(f"rows that move one logit: {rows[0]} to {rows[-1]}, {len(rows)} of 256")

# %% [markdown]
# **Noise** is dropout, at test time too. In this library no module draws noise, so `z` holds one number for each unit that
# may drop: normal, and the unit drops where its number is below the median. The same `z`, the same image. **Batch norm** also
# stays in training mode: at the paper's batch size of 1 its statistics are those of one image, and so they are here.

# %%
picture, z = torch.rand(1, 3, 256, 256, generator=generator(1)) * 2 - 1, torch.randn(2, *released.z_shape, generator=generator(2))
with torch.no_grad():
    one, again, other = U(picture, z[:1]), U(picture, z[:1]), U(picture, z[1:])
print(f"z has {released.z_shape[0]} numbers; same z: difference {float((one - again).abs().max())}")
print("another z changes the image:", bool((one - other).abs().max() > 0.01))

# %% [markdown]
# ## Tasks are views of data
#
# A task is a data set whose samples carry an `input` beside the `image`. Here they are made from the drawn streets and, for
# edges and greyscale, from real photographs. Where `DATA_ROOT` is set, Cityscapes takes the place of the drawn streets by day,
# and the paper's folders of pairs, facades and maps, come on top.

# %%
ROWS = presets.rows("pix2pix")  # (model, data set, its folder)
ROOTS = {name: root for _, name, root in ROWS}
places = {name: place[0] for name in paper.TASKS if (place := presets.place(name))}  # the data set on which each is made
TASKS = {places[name]: title for name, title in paper.TASKS.items() if name in places}
LABELS, INVERSE = places[paper.LABELS], places.get(paper.PHOTO_TO_LABELS)


def held_out(name: str, n: int, first: int = 0) -> tuple[dict, data.Classes]:
    """n test images of a task with their conditioning, and its classes."""
    spec = presets.data_spec(name, preset, ROOTS[name])
    images, classes = data.open_split(spec, "test"), data.classes(spec)
    return data.labelled([images[i] for i in range(first, first + n)], classes), classes


for name, title in TASKS.items():
    batch, _ = held_out(name, 2)
    print(f"{title:16} input {tuple(batch['labels'].shape[1:])} -> image {tuple(batch['image'].shape[1:])}")

# %% [markdown]
# A folder of your own in the common format, each file holding A in its left and B in its right half, is a data set too:
# `smis train pix2pix --data aligned --root FOLDER`, or `aligned_ba` for the other direction.

# %% [markdown]
# ## The experiments
#
# Every network is trained by the one loop of this library on the same batches. The tables share rows: L1 and L1+cGAN of
# Table 1 are the U-Net rows of Table 2, and L1+cGAN is the 70x70 row of Table 3.

# %% tags=["nbval-ignore-output"]
store = {(model, name): ready(presets.experiment(model, name, preset, seed, root)) for model, name, root in ROWS}
networks = {pair: runs.load(run.weights) for pair, run in store.items()}
print(f"{len(store)} runs")

# %%
e = store["pix2pix", LABELS].experiment
n_train = len(data.open_split(replace(e.data, flip=False, margin=0.0), "train"))
print(f"{e.data.height}x{e.data.width}, {n_train} training images, {e.train.steps} steps of {e.train.batch}")
for model, row in paper.PATCHES.items():
    s = networks[model, LABELS].schedule
    print(f"{row:8} in the paper: here {s.patch}x{s.patch} pixels, {s.patch / s.height:.0%} of the height")

# %% [markdown]
# At 48 rows a 70x70 patch is the whole picture. What carries over is the share of the image that a patch sees, so `demo` keeps
# that: one pixel, a small patch, a third of the height, everything. Preset `paper` has 1, 16, 70 and 286.


# %%
def outputs(model: str, name: str, batch: dict) -> torch.Tensor:
    """An image (N,3,H,W) for each input, from drawn noise."""
    net = networks[model, name]
    return generate(net, batch["labels"], draw(net, len(batch["labels"]), generator(seed, "figure", model)))


def compare(name: str, rows: dict[str, str], n: int = 4) -> dict[str, torch.Tensor]:
    """Input, ground truth and the image of every row, for the first n test images of a task."""
    batch, classes = held_out(name, n)
    shown = {"input": viz.condition(batch, classes), "real": batch["image"]}
    return shown | {row: outputs(model, name, batch) for model, row in rows.items()}


def figure(number: int, what: str, caption: str, name: str, rows: dict[str, str]) -> dict[str, torch.Tensor]:
    """A figure of the paper, saved; what it shows."""
    shown = compare(name, rows)
    fig = viz.image_rows(shown, size=1.6)
    caption = f"As pix2pix Figure {number}: {caption}, {name}, preset {preset}, seed {seed}; held-out images."
    viz.save(fig, f"fig_pix2pix_{number}_{what}", caption, preset)
    return shown


# %% [markdown]
# ## Table 1 and Figure 4: the loss
#
# L1 asks for the ground truth, pixel by pixel; where that is uncertain the safest answer is the median: blurred, greyish. An
# adversarial loss asks for something that *looks* real. If its discriminator does not see the input (GAN), nothing asks that
# the image shows what the labels say; cGAN does.

# %% tags=["nbval-ignore-output"]
shown = figure(4, "objectives", f"losses, {TASKS[LABELS]}", LABELS, paper.OBJECTIVES)
for row, images in shown.items():
    print(f"{row:8} mean |difference| from the real image {(images - shown['real']).abs().mean():.3f}")
for name in {"facades"} & ROOTS.keys() - {LABELS}:
    figure(4, name, "losses", name, {model: paper.OBJECTIVES[model] for model in paper.FIGURE_4})

# %% [markdown]
# The **FCN-score**: a segmenter that was trained on real images reads each generated one. How many pixels, how much of each
# class, and which intersection over union does it find again? That of drawn streets is a small network of this library, so
# rows compare, and no number compares with a published one. What it finds in *real* images is the ground truth row. Where no
# segmenter knows the labels, or a folder of pairs has none, FID stands in for it.

# %%
COLUMNS = {"Acc": "Per-pixel acc.", "Class acc": "Per-class acc.", "mIoU": "Class IOU"}
segment, classes = judges(e)[2], data.classes(e.data)
suffix = segment.suffix if segment else ""
others = {} if segment else {"FID[embedded]" if e.evaluation.backbone == "embedded" else "FID": None}
records = {name: results.of_runs(name, preset) for name in (LABELS, INVERSE) if name}


def fcn_score(rows: dict[str, str], number: int, name: str, of: str = LABELS) -> tuple:
    """A table of the paper, published and reproduced, saved; and its caption."""
    columns = {metric + suffix * (of == LABELS): column for metric, column in COLUMNS.items()}
    columns |= others if of == LABELS else {}
    printed = results.published("pix2pix_1611.07004", f"table_{number}")
    table, caption = results.comparison(records[of], list(rows), columns, printed, rows)
    if of == INVERSE:
        caption += f" {ours_are(of)}, each pixel read as the class of the nearest colour."
    if number == 1 and segment:
        table.loc["Ground truth"] = [text for column in COLUMNS for text in ground_truth(printed, column)]
    results.save_table(table, f"pix2pix Table {number}. {caption}", f"table_pix2pix_{number}_{name}", preset)
    return table, caption


def ours_are(name: str) -> str:
    """For the caption of a table whose metrics have the paper's names: on what pictures they were measured here."""
    d = presets.data_spec(name, preset, ROOTS[name])
    return f"Ours: {name if ROOTS[name] else 'drawn streets'} of {d.height}x{d.width}"


def ground_truth(printed: dict, metric: str) -> tuple[str, str]:
    """Published and ours: what the segmenters find in real images."""
    published = results.published_cell(printed, "Ground truth", COLUMNS[metric])
    return published, results.significant(read_in_real[metric + suffix])


# %% tags=["nbval-ignore-output"]
if segment:
    real = [(batch["image"], batch["label_map"]) for batch in HeldOut(e.data, e.evaluation.n_fid).batches()]
    found = segmentation.measure(segment, real, classes) + segmentation.class_accuracy(segment, real, classes)
    read_in_real = {m.metric: m.value for m in found}
table, caption = fcn_score(paper.OBJECTIVES, 1, "objectives")
print(caption)
table

# %% [markdown]
# ## Figure 7: colour and blur
#
# The distributions of L, a and b over all pixels. A curve that is narrower than the real one is a network that avoids colour; a
# wider one, a network with more colour than there is. `Lab L`, `Lab a` and `Lab b` are how much of a curve lies under the real
# one too: they fall in both cases, and do not say in which. So the widths are printed.

# %%
FIGURE_7 = {model: paper.OBJECTIVES[model] for model in paper.INVERSE} | {"pix2pix_pixelgan": "PixelGAN"}
batch, _ = held_out(LABELS, min(128, len(HeldOut(e.data, e.evaluation.n_fid))))
curves = {row: colour.measure([outputs(model, LABELS, batch)], [batch["image"]])[1] for model, row in FIGURE_7.items()}


def width(shares: np.ndarray, channel: str) -> float:
    """Standard deviation of a channel, from the share of the pixels in each bin."""
    values = np.linspace(*colour.BINS[channel])
    return np.sqrt(shares @ (values - shares @ values) ** 2)


# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.5), sharey=True)
for ax, (channel, (low, high, n)) in zip(axes, colour.BINS.items(), strict=True):
    values = torch.linspace(low, high, n)
    ax.semilogy(values, curves["L1"][channel][1], color="black", label="real")
    for row, of in curves.items():
        ax.semilogy(values, of[channel][0], label=row)
    ax.set(title=channel, xlim=(low, high) if channel == "L" else (-60, 60), ylim=(1e-5, 1))
axes[0].set_ylabel("share of the pixels")
axes[2].legend(fontsize=8, bbox_to_anchor=(1.02, 1), loc="upper left")
caption = f"As pix2pix Figure 7: share of the pixels, {LABELS}, preset {preset}, seed {seed}; {len(batch['image'])} images."
viz.save(fig, "fig_pix2pix_7_colour", caption, preset)
for row, of in {"real": {c: pair[::-1] for c, pair in curves["L1"].items()}, **curves}.items():
    print(f"{row:9} standard deviation " + ", ".join(f"{c} {width(of[c][0], c):4.1f}" for c in colour.BINS))

# %% [markdown]
# At `demo` L1 alone is the paper's case: its a and b are narrower than the real ones, more so than those of L1+cGAN. cGAN alone
# is the other case: it overshoots. L1+cGAN overlaps most of the three.

# %% tags=["nbval-ignore-output"]
columns = {"Lab L": "L", "Lab a": "a", "Lab b": "b", "Sharpness": None}
printed = results.published("pix2pix_1611.07004", "figure_7d")
table, caption = results.comparison(records[LABELS], list(FIGURE_7), columns, printed, FIGURE_7)
caption = f"pix2pix Figure 7d, and sharpness. {caption} {ours_are(LABELS)}."
results.save_table(table, caption, "table_pix2pix_7d_colour", preset)
print(caption)
table

# %% [markdown]
# ## Table 2 and Figure 5: the generator
#
# The same losses with and without the skips of the U-Net. The paper trained this table with batches of 10 images; here it has
# the batches of the others.

# %% tags=["nbval-ignore-output"]
figure(5, "generators", f"generators, {TASKS[LABELS]}", LABELS, paper.GENERATORS)
table, caption = fcn_score(paper.GENERATORS, 2, "generators")
print(caption)
table

# %% [markdown]
# ## Table 3 and Figure 6: the patch
#
# All with L1+cGAN; only what one logit of the discriminator sees differs.

# %% tags=["nbval-ignore-output"]
seen = ", ".join(f"{row}: {networks[model, LABELS].schedule.patch}" for model, row in paper.PATCHES.items())
figure(6, "patches", f"patches ({seen} pixels)", LABELS, paper.PATCHES)
table, caption = fcn_score(paper.PATCHES, 3, "patches")
print(caption)
table

# %% [markdown]
# ## Figure 8: trained at one size, applied at twice it
#
# Nothing in the generator knows the size of its input: convolutions go over any picture whose sides can be halved often enough.
# (Streets are drawn up to 256 rows; where the network was trained at that, it is applied at half the size.)

# %%
factor = 2 if e.data.height <= 128 else 0.5
other = {key: int(factor * getattr(e.data, key)) for key in ("height", "width")}
pictures = data.open_split(replace(e.data, **other, n_test=3), "test")
batch = data.labelled([pictures[i] for i in range(3)], classes)
net = networks["pix2pix", LABELS]
z = torch.randn(3, net.schedule.units_at(**other), generator=generator(seed, "figure 8"))
images = generate(net, batch["labels"], z)
print(f"trained at {e.data.height}x{e.data.width}, made here: {tuple(images.shape)}")

# %% tags=["nbval-ignore-output"]
shown = {"input": viz.condition(batch, classes), "real": batch["image"], "L1+cGAN": images}
fig = viz.image_rows(shown, size=2.6)
caption = f"As pix2pix Figure 8: trained at {e.data.height}x{e.data.width}, applied at {other['height']}x{other['width']}; "
viz.save(fig, "fig_pix2pix_8_twice_the_size", caption + f"preset {preset}, seed {seed}.", preset)

# %% [markdown]
# ## Table 6 and Figure 10: from photo to labels
#
# The other direction has almost one right answer, and it is a classification. Each pixel of the image is read as the class of
# the nearest colour. The paper's point: where little is uncertain, plain L1 is enough, and better. (Left out where the only
# folders are of pairs, which have no classes.)

# %% tags=["nbval-ignore-output"]
table = "left out: DATA_ROOT has no label maps of streets"
if INVERSE:
    figure(10, "photo_to_labels", TASKS[INVERSE], INVERSE, paper.INVERSE)
    table, caption = fcn_score(paper.INVERSE, 6, "photo_to_labels", INVERSE)
    print(caption)
table

# %% [markdown]
# ## All tasks
#
# The same network and loss (L1+cGAN); only the data differ. At `demo` edges to photo fails: nearly the same pattern with a dotted
# line comes out, whatever the edges are.

# %% tags=["nbval-ignore-output"]
for name, title in TASKS.items():
    shown = compare(name, {"pix2pix": "L1+cGAN"}, n=6)
    fig = viz.image_rows(shown, size=1.3)
    caption = f"pix2pix, {title}, preset {preset}, seed {seed}; held-out images."
    if (shown["input"] > 0.99).flatten(1).all(1).any():
        caption += " A blank input has no edges."
    viz.save(fig, f"fig_pix2pix_task_{name}", caption, preset)
    error = [(images - shown["real"]).abs().mean() for images in (shown["L1+cGAN"], shown["input"])]
    print(f"{title:16} mean |difference| from the real image: output {error[0]:.3f}, input {error[1]:.3f}")

# %% [markdown]
# **How much does the noise do?** Little, says the paper. The spread of a pixel over eight draws, beside its spread over images:

# %% tags=["nbval-ignore-output"]
batch, _ = held_out(LABELS, 8)
for model in ("pix2pix_l1", "pix2pix_cgan", "pix2pix"):
    net = networks[model, LABELS]
    draws = torch.stack([generate(net, batch["labels"], draw(net, 8, generator(seed, "draw", k))) for k in range(8)])
    print(f"{paper.OBJECTIVES[model]:8} over draws {draws.std(0).mean():.3f}, over images {draws[0].std(0).mean():.3f}")

# %% [markdown]
# ## Tables 4 and 5: real or fake?
#
# A rater sees a real and a generated image for a second and says which was generated: ten trials for practice, then forty that
# count, of one model. `smislib.study` makes the pictures, `smislib.ui.rating.rate` asks, and the answers appear in the column
# "here" with an interval over raters; "no study" where nobody has rated.

# %%
asks = study.REAL_VS_FAKE
print(f"{asks.question} {' or '.join(asks.answers)}; {asks.trials} trials after {asks.practice} for practice")
AMT = {4: {"L1": "pix2pix_l1", "L1+cGAN": "pix2pix"}, 5: {"Ours (L1+cGAN)": "pix2pix"}}
for number, name, task in ((4, "streets", LABELS), (5, "colorization", "photos_from_grey")):
    printed = results.published("pix2pix_1611.07004", f"table_{number}")
    asked = {row: store[model, task].experiment for row, model in AMT[number].items() if (model, task) in store}
    table = study.beside(printed, study.table("Real", asked))
    results.save_table(table, f"pix2pix Table {number}, % labelled real; here {task}.", f"table_pix2pix_{number}_{name}", preset)
    print(table.to_string())

# %% [markdown]
# ## The paper's statements, each checked
#
# "Above" counts when the 95 % intervals decide it: over test images, and where there are several seeds over seeds and images.
# What is said of colour is tested by the overlap with the real curves (`Lab a`, `Lab b`): too much colour counts as too little.

# %% tags=["nbval-ignore-output"]
metrics = [*(m + suffix for m in COLUMNS), "Lab a", "Lab b", "Sharpness"]
forward = results.cells(records[LABELS], list(dict.fromkeys(m for m, _ in paper.EXPERIMENTS)), metrics)
inverse = results.cells(records.get(INVERSE, []), list(paper.INVERSE), list(COLUMNS))
verdicts = claims.pix2pix.table(forward, inverse, suffix)
caption = f"Statements of pix2pix, preset {preset}. {results.brackets([*forward.values(), *inverse.values()])}"
results.save_table(verdicts, caption, "table_pix2pix_claims", preset)
print(verdicts[["where", "statement", "metric", "verdict"]].to_string(index=False))

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
for model, row in paper.OBJECTIVES.items():
    found = ", ".join(f"{m} {results.significant(forward[model, m].value)}" for m in metrics if (model, m) in forward)
    print(f"{row:8}", found)
print("statements: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts["verdict"].value_counts().items()))
