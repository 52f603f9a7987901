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
# # 01 · Data
#
# **Question.** What does a network see, and what do we know about the data that a network must find out?
#
# | needs | |
# |---|---|
# | time | under a minute (rendering and cutting are cached) |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** the rendered `mannequins` with their true factors, rendered `streets` with instances and `rooms` of many
# classes, real photographs cut into `photos`, the format of a folder of your own (`custom`), what the check says about a folder
# with mistakes, and what the labels of the papers' data sets become.

# %%
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.patches import Rectangle
from PIL import Image

from smislib import data, presets, viz
from smislib.data import mannequins, photos, rooms, streets
from smislib.data.check import check
from smislib.data.formats import FORMATS
from smislib.errors import SmisError

# %% tags=["parameters"]
preset = "demo"

# %% [markdown]
# ## A data set is a value
#
# A `DataSpec` says which data set, at which size, how many images. Everything else asks three functions: `classes`,
# `open_split` and, to stack samples, `collate`.

# %%
spec = presets.data_spec("mannequins", preset)
classes = data.classes(spec)
train, test = (data.open_split(spec, split) for split in ("train", "test"))
made = f"preset {preset}, renderer seed {spec.seed}"  # for captions
print(spec)
print(len(train), "to train on,", len(test), "held out")

# %%
sample = test[0]
for key, value in sample.items():
    print(f"{key:10}", f"{value.dtype!s:14} {tuple(value.shape)}" if torch.is_tensor(value) else repr(value))

# %% [markdown]
# ## Mannequins: eight classes
#
# The renderer draws each picture from two kinds of random streams: one for the **geometry** (pose, build, sleeves, hem,
# hair style), one per class for its **appearance** (colour and simple pattern). The label map depends on the geometry
# alone.

# %%
batch = data.collate([test[i] for i in range(8)])
fig = viz.image_rows({"label map": viz.colour(batch["label_map"], classes), "image": batch["image"]}, size=1.2)
swatches = [Rectangle((0, 0), 1, 1, facecolor=np.array(rgb) / 255, edgecolor="0.6") for rgb in classes.palette]
fig.legend(swatches, classes.names, loc="lower center", bbox_to_anchor=(0.5, 0.9), ncols=8, handlelength=1, columnspacing=1.2)
viz.save(fig, "fig_01_classes", f"Held-out mannequins and the palette of their classes, {made}.", preset)
print(pd.Series(classes.palette, classes.names, name="RGB").to_string())

# %% [markdown]
# The same picture twice, from nothing but (seed, split, index):

# %%
again = mannequins.render(spec.seed, "test", 0, spec.width)["image"]
same = torch.equal(torch.from_numpy(again).movedim(-1, 0).float() / 127.5 - 1, sample["image"])
print("rendered again, expected the same picture, match:", same)

# %% [markdown]
# ## Factors: the appearance that we know
#
# `factors` holds the truth about each class: its colour, its second colour, and which pattern. A network never sees
# them; metrics may be tested against them.

# %%
factors = pd.DataFrame(sample["factors"].numpy(), classes.names, mannequins.FACTOR_NAMES)
factors.round(2)

# %% [markdown]
# One geometry, other appearances. Each column draws one class anew; the last one draws the three skin classes, face, arms
# and legs, together, because in `mannequins` they **share their skin**, the correlation between classes of which the
# paper speaks.

# %%
names = ("hair", "upper clothes", "lower clothes", "shoes", "background")
looks = {name: {classes.names.index(name): 6} for name in names}
looks["skin"] = {classes.names.index(name): 6 for name in ("face", "arms", "legs")}
pictures = [mannequins.render(spec.seed, "test", 0, spec.width, look) for look in ({}, *looks.values())]
images = torch.stack([torch.from_numpy(p["image"]).movedim(-1, 0).float() / 127.5 - 1 for p in pictures])

# %%
fig = viz.image_rows({"": images}, ["original", *looks], size=1.3)
viz.save(fig, "fig_01_appearance", f"One geometry; each picture has one appearance drawn anew; {made}.", preset)
unchanged = all(np.array_equal(p["label_map"], pictures[0]["label_map"]) for p in pictures)
print("label maps of all of them, expected the same, match:", unchanged)

# %% [markdown]
# ### Are the appearances independent?
#
# The network's task makes sense if a class may look like anything whatever the others look like. We correlate the main
# colours (three channels each) of every pair of classes over the training set and keep the largest absolute value.

# %%
colours = torch.stack([train[i]["factors"][:, :3] for i in range(len(train))])  # (n,C,3)
n, C, _ = colours.shape
correlation = torch.corrcoef(colours.flatten(1).T).view(C, 3, C, 3).abs().amax((1, 3))
print("pairs of classes:", tuple(correlation.shape), "from", n, "pictures")

# %%
fig, ax = plt.subplots(figsize=(4.2, 3.4))
mesh = ax.imshow(correlation, cmap="Blues", vmin=0, vmax=1)
ax.set_xticks(range(C), classes.names, rotation=40, ha="right")
ax.set_yticks(range(C), classes.names)
ax.grid(False)
fig.colorbar(mesh, label="largest |correlation| of their colours", shrink=0.9)
viz.save(fig, "fig_01_correlation", f"Correlation of the true colours over {n} training pictures, {made}.", preset)
skin = [classes.names.index(name) for name in ("face", "arms", "legs")]
print("between face, arms and legs, expected 1, match:", bool((correlation[skin][:, skin] > 0.999).all()))

# %% [markdown]
# Off the skin block, a correlation that is truly zero still scatters with a standard deviation of about 1/√n, and each
# entry is the largest of nine. So we ask whether any stands out beyond four standard deviations.

# %%
others = ~torch.eye(C, dtype=torch.bool)
others[torch.tensor(skin)[:, None], skin] = False
largest, bound = correlation[others].max().item(), 4 / n**0.5
print(f"largest correlation elsewhere, expected below 4/√n = {bound:.2f}, match: {largest < bound}")

# %% [markdown]
# ### How large is a class?
#
# The background fills most of a picture, shoes a sliver. A class that is small gets little gradient: keep these shares in
# mind when a small part looks worse than a large one.

# %%
shares = torch.stack([data.one_hot(train[i]["label_map"][None], classes)[0].mean((1, 2)) for i in range(min(n, 500))])
sizes = pd.DataFrame({"mean share": shares.mean(0), "sd": shares.std(0)}, classes.names)
sizes.round(2)

# %%
fig, ax = plt.subplots(figsize=(5.2, 2.4))
ax.barh(classes.names, sizes["mean share"], xerr=sizes["sd"], color=np.array(classes.palette) / 255, edgecolor="0.5")
ax.set(xlabel="share of the pixels", xscale="log")
ax.invert_yaxis()
viz.save(fig, "fig_01_sizes", f"Mean share of each class and its sd over {len(shares)} training pictures, {made}.", preset)
print(f"largest: {sizes['mean share'].idxmax()}, smallest: {sizes['mean share'].idxmin()}")

# %% [markdown]
# ## Streets and rooms
#
# Two more renderers stand in for Cityscapes and ADE20K. `streets` are twice as wide as high and tell the **instances** of
# people, cars and buses apart. `rooms` have 48 classes, of which a picture shows 5 to 12. Both keep the contract: a pure
# function of (seed, split, index), the appearance of each class drawn by itself, of people, cars and buses for each instance.

# %%
scenes = {}
for name in ("streets", "rooms"):
    scene = replace(presets.data_spec(name, preset), n_test=8)
    pictures = data.open_split(scene, "test")
    scenes[name] = data.classes(scene), data.collate([pictures[i] for i in range(8)])
    print(f"{name}: {scene.height}x{scene.width}, {len(scenes[name][0])} classes:", ", ".join(scenes[name][0].names))

# %%
for name, (known, shown) in scenes.items():
    rows = {"label map": viz.colour(shown["label_map"], known), "image": shown["image"]}
    fig = viz.image_rows(rows, size=1.2)
    swatches = [Rectangle((0, 0), 1, 1, facecolor=np.array(rgb) / 255, edgecolor="0.6") for rgb in known.palette]
    legend = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.9), "ncols": 8, "handlelength": 1, "columnspacing": 1.2}
    fig.legend(swatches, known.names, fontsize=7, **legend)
    viz.save(fig, f"fig_01_{name}", f"Held-out {name} and the palette of their classes, {made}.", preset)
    print(name, "classes in each picture:", [len(label_map.unique()) for label_map in shown["label_map"]])

# %% [markdown]
# One street, one room, and what each looks like when **every** class is drawn anew: the label map stays.

# %%
renderers = {"streets": streets, "rooms": rooms}
anew = {}
for name, (known, shown) in scenes.items():
    size, looks = shown["image"].shape[-2], [{}] + [dict.fromkeys(range(len(known)), look) for look in range(1, 8)]
    drawn = [renderers[name].render(scene.seed, "test", 1, size, look) for look in looks]
    anew[name] = torch.stack([torch.from_numpy(p["image"]).movedim(-1, 0).float() / 127.5 - 1 for p in drawn])
    print(name, "one label map for all of them, match:", all((p["label_map"] == drawn[0]["label_map"]).all() for p in drawn))

# %%
for name, images in anew.items():
    fig = viz.image_rows({"": images}, ["original"] + ["drawn anew"] * 7, size=1.2)
    caption = f"One of the {name}; in each picture all classes have other appearances; {made}."
    viz.save(fig, f"fig_01_{name}_anew", caption, preset)
print("mean over pixels of their standard deviation:", {name: f"{images.std(0).mean():.2f}" for name, images in anew.items()})

# %% [markdown]
# A label map does not say where one car ends and the next begins. So the labels of `streets` carry one more channel, the
# **instance edge**: 1 at every pixel with a neighbour of another instance.

# %%
known, shown = scenes["streets"]
labels = data.labels(shown, known)
edge = labels[:, len(known) :].expand(-1, 3, -1, -1)
fig = viz.image_rows({"image": shown["image"], "edge": 1 - 2 * edge}, size=1.2)
viz.save(fig, "fig_01_edges", f"Streets and their instance edges, {made}.", preset)
cars = known.names.index("car")
found = [len(instances[instances // 1000 == cars].unique()) for instances in shown["instance_map"]]
print(tuple(labels.shape), "= classes and edge, match:", labels.shape[1] == len(known) + 1, "| cars in each picture:", found)

# %% [markdown]
# ## Photographs
#
# Rendered figures are clean. `photos` are not: random crops of the colour photographs that scikit-image and scikit-learn
# ship, without a download. Their label maps come from clustering colour, texture and position, so a "class" is a tone
# (say, *navy* or *tan*) and no object. Test crops come from the right third of each photograph, which training never sees.

# %%
photo_spec = presets.data_spec("photos", preset)
photo_classes = data.classes(photo_spec)
photo_sets = {split: data.open_split(photo_spec, split) for split in ("train", "test")}
lengths = {split: len(dataset) for split, dataset in photo_sets.items()}
cutting = f"Preset {preset}, seed {photo_spec.seed}"  # for captions
count = f"{photo_spec.n_train} crops to train on" + f", mirrored {lengths['train']}" * photo_spec.flip
print(f"{count}; {lengths['test']} held out | classes:", ", ".join(photo_classes.names))

# %%
available = photos.load()
shown = [name for name in ("astronaut", "chelsea", "coffee", "flower") if name in available]
print("photographs found:", ", ".join(available))

# %%
fig, axes = plt.subplots(1, len(shown), figsize=(10, 2.6), squeeze=False)
for ax, name in zip(axes[0], shown, strict=True):
    ax.imshow(available[name]["train"])
    for split, colour in (("train", "#3566a8"), ("test", "#d1603d")):
        crops = [photos.crop(available, photo_spec.seed, split, i) for i in range(200)]
        for c in [c for c in crops if c.photo == name][:6]:
            ax.add_patch(Rectangle((c.left, c.top), c.side, c.side, fill=False, edgecolor=colour, linewidth=1.3))
    ax.set_title(name)
    ax.set_axis_off()
    ax.set_anchor("N")
viz.save(fig, "fig_01_crops", f"Crops to train on (blue), held out (orange): they never overlap. {cutting}.", preset)
crops = {split: [photos.crop(available, photo_spec.seed, split, i) for i in range(200)] for split in ("train", "test")}
edges = {name: max(c.left + c.side for c in crops["train"] if c.photo == name) for name in shown}
separate = all(c.left >= edges[c.photo] for c in crops["test"] if c.photo in shown)
print("test crops right of every training crop, match:", separate)

# %%
cut = {split: data.collate([dataset[i] for i in range(9)]) for split, dataset in photo_sets.items()}
rows = {f"{split}, {key}": b[key] if key == "image" else viz.colour(b[key], photo_classes)
        for split, b in cut.items() for key in ("image", "label_map")}  # fmt: skip
fig = viz.image_rows({name.replace("label_map", "labels"): images for name, images in rows.items()}, size=1.05)
viz.save(fig, "fig_01_photos", f"Crops and their labels, in the clusters' mean colours. {cutting}.", preset)
print("train", cut["train"]["name"][:3], "| test", cut["test"]["name"][:3])

# %% [markdown]
# ## Your own folder
#
# `custom` takes any folder of this form:
#
# ```
# ROOT/classes.json              {"names": ["sky", "tree"], "palette": [[r, g, b], ...], "ignore_index": 255}
# ROOT/{train,test}/images/      NAME.png or NAME.jpg
# ROOT/{train,test}/labels/      NAME.png: one channel (or a palette) whose value is the class
# ```
#
# (`palette` and `ignore_index` may be left out.) `smis data check custom ROOT` reads every file and reports; training
# refuses a folder with faults. We write a tiny folder and look.

# %%
folder = tempfile.TemporaryDirectory()  # gone with this kernel
root = Path(folder.name) / "tiny"
rng = np.random.default_rng(0)
for split in ("train", "test"):
    for i in range(3):
        for part, shape in (("images", (32, 32, 3)), ("labels", (32, 32))):
            (root / split / part).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 255 if part == "images" else 2, shape).astype(np.uint8)
            Image.fromarray(pixels).save(root / split / part / f"{i}.png")
(root / "classes.json").write_text(json.dumps({"names": ["sky", "tree"]}))
tiny = presets.data_spec("custom", "smoke", root=str(root))
print(str(check(tiny)).replace(str(root), "ROOT"))

# %% [markdown]
# Now five mistakes that happen: a label value that no class has, a label of another size, a label saved as a colour
# picture, an image without its label, and a truncated file.

# %%
value = np.zeros((32, 32), np.uint8)
value[:4] = 7
Image.fromarray(value).save(root / "train/labels/0.png")
Image.fromarray(value[:16]).save(root / "train/labels/1.png")
Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "train/labels/2.png")
(root / "test/labels/0.png").unlink()
whole = (root / "test/images/1.png").read_bytes()
(root / "test/images/1.png").write_bytes(whole[: len(whole) // 2])
report = check(tiny)
print(str(report).replace(str(root), "ROOT"))

# %% [markdown]
# Every fault names its file, what was found, what was expected and what to do. The loader refuses the folder in the same
# words:

# %%
try:
    data.open_split(tiny, "test")
except SmisError as error:
    print(str(error).replace(str(root), "ROOT"))

# %% [markdown]
# ## What the stored labels become
#
# The data sets of the papers store labels of their own. A table for each says which class a stored value becomes; a value
# that no row names is a fault.

# %%
legends = {name: pd.DataFrame(form.legend()) for name, form in FORMATS.items()}
becomes = {name: {"table": FORMATS[name].remap.name, "stored": len(rows), "classes": rows["class"].nunique(),
                  "last": rows.loc[rows["class"].idxmax(), "means"]} for name, rows in legends.items()}  # fmt: skip
print(pd.DataFrame(becomes).T.to_string())

# %%
fig, axes = plt.subplots(2, 1, figsize=(11, 3.6), height_ratios=(4, 12), gridspec_kw={"hspace": 0.2})
for ax, name, columns in zip(axes, ("deepfashion", "cityscapes"), (2, 3), strict=True):
    viz.legend(FORMATS[name].legend(), ax, columns).set_title(FORMATS[name].title, fontsize=8, loc="left")
viz.save(fig, "fig_01_legends", "Classes, and after the arrow the stored labels that become them where they differ.", preset)
for name, means in legends["deepfashion"].groupby("name")["means"]:
    print(f"{name:15}", ", ".join(means))

# %% [markdown]
# ADE20K and COCO-Stuff keep their order; their unlabelled pixels become the last class:

# %%
for name in ("ade20k", "coco_stuff"):
    rows = legends[name].sort_values("class")
    print(f"{name}: stored {FORMATS[name].allowed}")
    print(rows.iloc[[0, 1, -2, -1]][["stored", "means", "class", "colour"]].to_string(index=False))

# %% [markdown]
# ## From label map to labels
#
# Networks take `labels`, the one-hot form (N,C,H,W) of the integer `label_map` (N,H,W). One function converts, and it is the
# place where a wrong value is caught in a batch. (`data.labels` does it for a whole batch, and adds the instance edge.)

# %%
labels = data.labels(batch, classes)
print(tuple(batch["label_map"].shape), "->", tuple(labels.shape))
print("one class at each pixel, match:", bool((labels.sum(1) == 1).all()))
print("argmax gives the label map back, match:", torch.equal(labels.argmax(1), batch["label_map"]))

# %%
wrong = batch["label_map"].clone()
wrong[2, 0, 0] = 19
try:
    data.one_hot(wrong, classes, batch["name"])
except SmisError as error:
    print(error)

# %% [markdown]
# Mirrored images count as images of their own, for training only:

# %%
mirrored = data.open_split(replace(spec, flip=True), "train")
flipped = torch.equal(mirrored[n]["image"], train[0]["image"].flip(-1))
print(f"{n} images become {len(mirrored)}; the first mirrored one is the first flipped, match: {flipped}")

# %% [markdown]
# ## Summary

# %%
print(f"mannequins: {n} + {len(test)} pictures, {C} classes, {len(mannequins.FACTOR_NAMES)} true factors for each class")
for name, (known, _) in scenes.items():
    print(f"{name}: {len(known)} classes, {len(known.things)} of them with instances")
print(f"photos: {count}; {photo_spec.n_test} held out; {len(available)} photographs, {len(photo_classes)} classes")
print(f"faults found in the tiny folder: {len(report.faults)}")
