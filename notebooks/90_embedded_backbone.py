# ---
# jupyter:
#   jupytext:
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
# # 90 · The embedded backbone: how the shipped networks were trained
#
# **The question.** LPIPS, FID and mIoU look at images through a network. The papers use AlexNet, Inception-v3
# and a segmenter per data set, trained on photographs. What should look at mannequins, streets and rooms, on a
# machine without a download?
#
# **The answer here.** Small networks that know what we know to be true about the embedded data: each part's
# colour, pattern and place; and what thing each of the tokens is.
#
# **Needs.** One CPU core; at `demo` about 35 minutes for all networks, at `smoke` a minute. No GPU, no download.
#
# **What you will see.** The trainings with held-out scores, what the features see, and four checks of the
# metrics built on them: is a damaged image further away, does FID rise with the damage, do the segmenters and the
# classifier read their pictures, and what do mCSD and mOCD say about the renderer itself, which repaints exactly one part at a
# time.

# %%
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import torch
from torchvision.transforms.functional import gaussian_blur

from smislib import paths, viz
from smislib.config import DataSpec
from smislib.data import classes, collate, mannequins, one_hot, open_split
from smislib.metrics import backbones, diversity, fid, inception_score, lpips, segmentation
from smislib.metrics.train_backbones import LESSONS, description, train_classifier, train_features, train_segmenter

# %% tags=["parameters"]
preset = "demo"
network = "all"
save = False

# %% [markdown]
# `network` is one name of `backbones.NAMES`, or "all"; what is not trained here is taken as shipped. `save = True`
# replaces networks in `smislib/assets`; otherwise this run's networks go to a temporary folder. A smoke run takes a
# few steps on a few pictures, enough to see that everything runs.

# %%
smoke = preset == "smoke"
chosen = list(backbones.NAMES) if network == "all" else [network]
lessons = {name: replace(LESSONS[name], steps=12, n_train=24, n_test=16) if smoke else LESSONS[name] for name in chosen}
folder = paths.ASSETS if save else Path(mkdtemp())
if not save:
    for name in set(backbones.NAMES) - set(chosen):
        shutil.copy(backbones.shipped(name), folder)
for name, x in lessons.items():
    print(f"{name:18s} seed {x.seed}, {x.steps} steps on {x.n_train} {x.data} of renderer seed {x.data_seed}")

# %% [markdown]
# ## The trainings
#
# `perceptual` and `metric` share an architecture and a task and differ in their seed: what a loss pulls on must
# not be what judges the result. From the features inside a part they predict its two colours and its pattern;
# from all stages together, a coarse segmentation. The heads are thrown away, the features stay. The segmenters
# learn the labels of one data set each, the classifier the things of `tokens`.

# %%
torch.set_num_threads(1)
scores, logs = {}, {}
for name, lesson in lessons.items():
    train = {"segmenter": train_segmenter, "classifier": train_classifier}.get(name.split("_")[0], train_features)
    net, scores[name], logs[name] = train(lesson)
    backbones.save(net, folder / f"{name}.safetensors", description(lesson), scores[name])

# %%
fig, axes = plt.subplots(1, len(logs), figsize=(1 + 2.6 * len(logs), 2.6), constrained_layout=True, squeeze=False)
for ax, (name, log) in zip(axes[0], logs.items(), strict=True):
    terms = [k for k in log[0] if k not in ("step", "size")]
    viz.curves(log, terms, ax=ax).set(title=name, yscale="log")

# %%
for name, by_size in scores.items():
    for size, values in by_size.items():
        print(name, size, {k: round(v, 3) for k, v in values.items() if not isinstance(v, list)})

# %% [markdown]
# ## The shapes, and the units
#
# Every stage was rescaled so that two different pictures differ, in mean absolute value, as much as their
# pixels do. A ReLU network commutes with a positive scale, so nothing else changes, and the weights of a loss
# over stages mean what they say.

# %%
metric, perceptual = (backbones.load(name, folder=folder) for name in ("metric", "perceptual"))
spec = DataSpec("mannequins", 64, 64, n_train=8, n_test=16 if smoke else 256, seed=7)
test = open_split(spec, "test")
batch = collate([test[i] for i in range(len(test))])
image, label_map = batch["image"], batch["label_map"]
unit = (image - image.roll(1, 0)).abs().mean()
for i, f in enumerate(perceptual.features(image)):
    print(f"stage {i}: {tuple(f.shape[1:])}, pictures differ by {(f - f.roll(1, 0)).abs().mean() / unit:.2f} of the pixels")

# %% [markdown]
# What do they see? The three channels of each stage that vary most between pictures, as red, green and blue.


# %%
def as_colours(f):
    f = f[:, f.mean((2, 3)).var(0).topk(3).indices]
    low, high = (f.amin((0, 2, 3), keepdim=True), f.amax((0, 2, 3), keepdim=True))
    return torch.nn.functional.interpolate((f - low) / (high - low) * 2 - 1, size=64)


rows = {"image": image[:8]} | {f"stage {i}": as_colours(f[:8]) for i, f in enumerate(metric.features(image))}
fig = viz.image_rows(rows, title="metric network: the most varied channels of each stage")

# %% [markdown]
# ## Is a damaged image further away?
#
# `LPIPS[embedded]` from a picture to: itself with a little noise, itself blurred, its upper clothes repainted,
# another mannequin.

# %%
see = lpips.from_network(metric)
repainted = [mannequins.render(7, "test", i, 64, {4: 99 + i})["image"] for i in range(16)]
repainted = torch.stack([torch.from_numpy(x).movedim(-1, 0).float() / 127.5 - 1 for x in repainted])
a = image[:16]
others = {
    "itself": a,
    "a little noise": a + 0.03 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0)),
    "blurred": gaussian_blur(a, 5, 0.8),
    "upper clothes repainted": repainted,
    "another mannequin": a.roll(1, 0),
}
for name, b in others.items():
    print(f"{name:24s} {see(a, b).mean():.4f}")

# %%
where = see.spatial(a, repainted)[:8, None].mul(4).sub(1).expand(-1, 3, -1, -1)
fig = viz.image_rows({"image": a[:8], "repainted": repainted[:8], "where": where})

# %% [markdown]
# ## Does FID rise with the damage?
#
# Half of the held-out pictures are the real ones, the other half is damaged more and more.

# %%
half = len(image) // 2
real, fake = image[:half], image[half:]
grey = fake.mean(1, keepdim=True)
damage = {
    "blur": lambda x, s: gaussian_blur(x, 9, 0.1 + 1.4 * s),
    "noise": lambda x, s: x + 0.15 * s * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)),
    "greyer": lambda x, s: x * (1 - s) + grey * s,
    "collapse": lambda x, s: x[torch.arange(half) % max(2, round(half * (1 - 0.95 * s)))],
}
strengths = np.linspace(0, 1, 3 if smoke else 6)
reference = metric.pooled(real).double().numpy()


def distance_to_real(images):
    return fid.fid(reference, metric.pooled(images).double().numpy())


curve = {name: [distance_to_real(hurt(fake, s)) for s in strengths] for name, hurt in damage.items()}

# %%
fig, ax = plt.subplots(figsize=(4.2, 2.6))
for name, values in curve.items():
    ax.plot(strengths, values, "o-", label=name)
    print(f"{name:9s}", np.round(values, 2))
ax.set(xlabel="strength of the damage", ylabel="FID[embedded]", yscale="log")
legend = ax.legend()

# %% [markdown]
# ## Do the segmenters read their pictures?
#
# Each on held-out pictures, with the class that it reads worst.


# %%
def read(name):
    data = backbones.described(name, folder)["training"]["data"]
    asked = DataSpec(data, 64, 128 if data == "streets" else 64, n_train=8, n_test=16 if smoke else 256, seed=7)
    pictures, known = open_split(asked, "test"), classes(asked)
    seen = collate([pictures[i] for i in range(len(pictures))])
    prediction = backbones.load(name, folder=folder)(seen["image"]).argmax(1)
    counts = segmentation.confusion(prediction, seen["label_map"], len(known)).sum(0).numpy()
    miou, accuracy = segmentation.scores(counts)
    worst = int(np.nanargmin(segmentation.iou_per_class(counts)))
    print(f"{data:11s} mIoU {miou:.3f}, accuracy {accuracy:.3f} on {len(pictures)} pictures; worst: {known.names[worst]}")
    truth, found = (viz.colour(maps[:8], known) for maps in (seen["label_map"], prediction))
    return {"image": seen["image"][:8], "truth": truth, "segmenter": found}


rows_of = {name: read(name) for name in backbones.SEGMENTERS}

# %%
figures = [viz.image_rows(rows, title=name) for name, rows in rows_of.items()]

# %% [markdown]
# ## Does the classifier know the tokens?
#
# On held-out pictures, and the Inception score of those: its ceiling is the number of classes, 24, which a
# generator reaches that makes every thing equally often and leaves no doubt.

# %%
asked = DataSpec("tokens", 32, 32, n_train=8, n_test=48 if smoke else 1000, seed=7)
things, tokens = classes(asked).names, open_split(asked, "test")
seen = collate([tokens[i] for i in range(len(tokens))])
with torch.no_grad():
    p = backbones.load("classifier_tokens", folder=folder)(seen["image"]).softmax(1)
right = (p.argmax(1) == seen["label"]).float().mean()
score = inception_score.inception_score(p.double().numpy(), splits=1)
print(f"accuracy {right:.3f} on {len(tokens)} pictures; Inception score {score:.2f} of at most {len(things)}")

# %%
fig = viz.image_rows({"image": seen["image"][:8]}, title="classifier: " + ", ".join(things[c] for c in p[:8].argmax(1)))

# %% [markdown]
# ## mCSD and mOCD of the renderer
#
# The renderer is the perfect generator: it repaints one part and nothing else. What a part casts on its
# neighbours (a soft edge, a shadow) is all that is left for mOCD. Skin is given to face, arms and legs one at a
# time here.

# %%
known = classes(spec)
C, n, m = len(known), 1 if smoke else 6, 2 if smoke else 6
labels = one_hot(label_map, known)


def renderer(one, c, k, rng):
    index = int((labels == one).flatten(1).all(1).nonzero()[0])
    seeds = torch.randint(2**31, (k,), generator=rng).tolist()
    drawn = [mannequins.render(7, "test", index, 64, {c: s})["image"] for s in seeds]
    return torch.stack([torch.from_numpy(x).movedim(-1, 0).float() / 127.5 - 1 for x in drawn])


found = diversity.class_diversity(renderer, labels, C, n=n, m=m, distance=see, readings=("masked", "spatial"))

# %%
for reading, d in found.items():
    print(f"{reading:8s} mCSD {d.mcsd:.4f}  mOCD {d.mocd:.4f}  ratio {d.mcsd / d.mocd:.1f}")
    for name, inside, outside in zip(known.names, *d.per_class(), strict=True):
        print(f"   {name:14s} inside {inside:.4f}  outside {outside:.4f}")

# %% [markdown]
# The spatial reading feels a change a receptive field away; what it adds to mOCD here is its leak, since the
# renderer has none.
#
# ## Summary

# %%
for name in backbones.NAMES:
    kilobytes = backbones.shipped(name, folder).stat().st_size / 1000
    parameters = sum(p.numel() for p in backbones.load(name, folder=folder).parameters())
    print(f"{name:18s} {kilobytes:6.1f} kB  {parameters:7d} parameters")
total = sum((folder / f"{name}.safetensors").stat().st_size for name in backbones.NAMES)
print(f"together {total / 1000:.1f} kB, at most 1 MiB, match: {total <= 2**20}")
noise, another = see(a, others["a little noise"]).mean(), see(a, others["another mannequin"]).mean()
print(f"LPIPS[embedded]: noise is nearer than another mannequin, match: {bool(noise < another)}")
print(f"masked mCSD of the renderer above its mOCD, match: {found['masked'].mcsd > found['masked'].mocd}")
