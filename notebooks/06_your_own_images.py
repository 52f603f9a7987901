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
# # 06 · Your own images
#
# **Question.** Does all this work on real photographs, and what do I type to use it on mine?
#
# | needs | |
# |---|---|
# | time | half a minute with a trained run in the store; else the time to train it |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** photographs in the format `custom`, their check, a GroupDNet trained on them, samples, one class
# changed at a time, its measurements and what they mean here, and three commands for a folder of yours.

# %% tags=["nbval-ignore-output"]
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from smislib import data, presets, results, runs, viz
from smislib.data import photos
from smislib.data.check import check
from smislib.errors import SmisError
from smislib.metrics import METRICS
from smislib.reproduce import ready
from smislib.sample import draw, encode, generate, generator, reconstruct, resample

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## Photographs without a download
#
# The packages scikit-image and scikit-learn carry a few colour photographs. `photos` cuts random squares from them:
# training crops from the left two thirds of each, test crops from the right third, so that no test crop shows what was
# trained on. Nobody has drawn label maps for them; ours are clusters of colour, texture and position.

# %%
spec = photos.as_folder(presets.data_spec("photos", preset))
sources = photos.installed()
classes = data.classes(spec)
print(f"{len(sources)} photographs: {', '.join(sources)}")
print(f"{len(classes)} clusters, named by their mean colour: {', '.join(classes.names)}")

# %% [markdown]
# What it writes is a folder in the `custom` format, the one you would make of your own images:
#
#     classes.json            {"names": [...], "palette": [[r, g, b], ...]}
#     train/images/NAME.png   train/labels/NAME.png     one channel: the class of each pixel
#     test/images/NAME.png    test/labels/NAME.png
#
# `smis data check` reads every file and says what it expected and what it found. The same from Python:

# %%
custom = replace(spec, name="custom")  # the same folder and size, read as anybody's
report = check(custom)
print("\n".join(str(report).splitlines()[1:]))
print(f"faults: we see {len(report.faults)}, expected 0, match: {report.ok}")

# %%
train_set, test_set = (data.open_split(custom, split) for split in ("train", "test"))
named = data.open_split(presets.data_spec("photos", preset), "test")
same = all(torch.equal(test_set[i]["image"], named[i]["image"]) for i in range(5))
print(f"{spec.n_train} crops to train on, with mirror images {len(train_set)}; {len(test_set)} to test on")
print("`custom` on that folder gives what `photos` gives, match:", same)

# %%
batch = data.collate([test_set[i] for i in range(9)])
labels = data.labels(batch, classes)
columns = [name.split("-", 1)[1] for name in batch["name"]]
fig = viz.image_rows({"photograph": batch["image"], "label map": viz.colour(batch["label_map"], classes)}, columns)
viz.save(fig, "fig_06_photos", f"Held-out crops of photos, preset {preset}, seed {spec.seed}, and their clusters.", preset)
share = labels.mean((0, 2, 3))
print("share of the frame:", {name: round(s.item(), 2) for name, s in zip(classes.names, share, strict=True)})

# %% [markdown]
# No test crop touches the part of its photograph that was trained on. `crops.json` says where each crop was taken:

# %%
crops = json.loads((Path(spec.root) / "crops.json").read_text())
ends = {name: max(c["left"] + c["side"] for c in crops["train"].values() if c["photo"] == name) for name in sources}
starts = {name: min(c["left"] for c in crops["test"].values() if c["photo"] == name) for name in sources}
apart = [ends[name] <= starts[name] for name in sources]
print(f"photographs where training ends left of testing: we see {sum(apart)}, expected {len(sources)}, match: {all(apart)}")

# %% [markdown]
# ## Train
#
# The same GroupDNet, the same losses, the same loop; only the data set is another value. If the store has no such run,
# it is trained and measured now. FID takes no more images than there are to test on.

# %% tags=["nbval-ignore-output"]
images = str(min(presets.EVALUATION[preset].n_fid, len(test_set)))
run = ready(presets.experiment("groupdnet", "photos", preset, seed, assignments={"evaluation.n_fid": images}))
networks = runs.load(run.weights)
print(f"{run.experiment.name}: {run.experiment.train.steps} steps of batch {run.experiment.train.batch}")

# %% [markdown]
# ## Look
#
# Held-out crops: rebuilt from their own codes, and drawn from N(0,1). The clusters are groups of colours, so a label map
# says by itself much of what a crop looks like, and leaves less for the codes than one of parts does. A sample that looks
# like the reconstruction, and not like the photograph, shows how little they carry.

# %% tags=["nbval-ignore-output"]
rng = generator(seed, "photos")
rebuilt = reconstruct(networks, batch["image"], labels)
rows = {"label map": viz.colour(batch["label_map"], classes), "photograph": batch["image"], "reconstruction": rebuilt}
drawn = torch.stack([generate(networks, labels, draw(networks, len(labels), rng)) for _ in range(3)])
rows |= {f"sample {i + 1}": images for i, images in enumerate(drawn)}
fig = viz.image_rows(rows, columns)
viz.save(fig, "fig_06_samples", f"{run.experiment.name}: held-out crops. Samples: z ~ N(0,1).", preset)
missed = (rebuilt - batch["image"]).abs().mean()
print(f"mean |reconstruction - photograph| {missed:.3f}, |sample - reconstruction| {(drawn - rebuilt).abs().mean():.3f} (0..2)")

# %% [markdown]
# And one cluster at a time: the codes of a held-out photograph, with the code of one cluster drawn anew in each row, lit
# in the first column. Where the change inside is near 0, or no larger than outside, a code has no hold on its cluster.

# %%
k = int((labels.mean((2, 3)) > 0.05).sum(1).argmax())  # the crop with the most clusters of some size
areas = labels[k].mean((1, 2))
largest = [c for c in areas.argsort(descending=True)[:4].tolist() if areas[c] > 0]
print(f"{batch['name'][k]}: " + ", ".join(f"{classes.names[c]} {areas[c]:.0%}" for c in largest))

# %% tags=["nbval-ignore-output"]
z, original = encode(networks, batch["image"][k : k + 1], labels[k : k + 1]), batch["image"][k : k + 1]
rows = {}
for c in largest:
    lit = viz.spotlight(batch["label_map"][k : k + 1], classes, [c])
    codes = torch.cat([z, resample(networks, z, c, 6, generator(seed, "photos", c))])
    rows[classes.names[c]] = torch.cat([lit, original, generate(networks, labels[k : k + 1], codes)])
titles = ["cluster", "photograph", "rebuilt", *(f"draw {i + 1}" for i in range(6))]
fig = viz.image_rows(rows, titles, size=1.1)
viz.save(fig, "fig_06_clusters", f"{run.experiment.name}: a row draws the code of one cluster anew.", preset)

# %% tags=["nbval-ignore-output"]
moves = {}
for name, images in rows.items():
    change, here = (images[3:] - images[2:3]).abs().mean((0, 1)), batch["label_map"][k] == classes.names.index(name)
    moves[name] = {"inside": change[here].mean().item(), "outside": change[~here].mean().item()}
print(pd.DataFrame(moves).T.round(3).to_string())
print("no more inside than outside:", ", ".join(name for name, m in moves.items() if m["inside"] <= m["outside"]) or "none")

# %% [markdown]
# ## Measure
#
# The same records as for the mannequins, but read them with care:
#
# - The `embedded` backbone was trained **on mannequins**. On photographs its features still tell colours and edges apart,
#   so mCSD, mOCD and LPIPS rank networks on *these* data; nothing more. Never put them beside those of notebook 05.
# - FID and KID compare features of that same network, over few crops of a handful of photographs: few images, so wide
#   intervals.
# - There is no mIoU: the shipped segmenters know what is drawn here, not these clusters.
#
# With local copies of AlexNet and Inception-v3 (`SMIS_WEIGHTS`) and `--set evaluation.backbone=paper` these become the
# usual metrics.

# %% tags=["nbval-ignore-output"]
records = results.in_reading(results.of_runs("photos", preset), "masked")
measured = {r.metric: r for r in records}
metrics = [name for name in METRICS if name in measured and name not in ("FPS", "s/step")]
cells = results.cells(records, ["groupdnet"], metrics)
table = pd.DataFrame({"value": [str(cells["groupdnet", name]) for name in metrics]}, pd.Index(metrics, name="metric"))
kid = next((r for name, r in measured.items() if name.startswith("KID") and r.spread), None)
if kid:  # it has no interval, but a spread over random subsets of the images
    table.loc[kid.metric, "value"] += f" (sd {results.significant(kid.spread, 2)} over subsets)"
table["what"] = [METRICS[name].what for name in metrics]
caption = f"GroupDNet on photos, preset {preset}, seed {seed}; backbone trained on mannequins; brackets: 95 % bootstrap interval."
results.save_table(table, caption, "table_photos", preset)
print(table.to_string())

# %%
print("no mIoU here, match:", "mIoU[embedded]" not in measured)

# %% [markdown]
# ## Your folder, in three commands
#
# Put images and label maps in a folder as above: any size, if the aspect ratio is that of the preset (square). Then
#
#     smis data check custom FOLDER
#     smis train groupdnet --data custom --root FOLDER --eval
#     smis show custom-groupdnet
#
# The first names every file with a fault and what is wrong with it. The second trains and measures, and resumes if it was
# stopped; `--set train.steps=5000` or `--set data.height=128 --set data.width=128` change a value. The third shows the
# experiment and its records. In Python, the second is
#
#     run = ready(presets.experiment("groupdnet", "custom", "demo", root="FOLDER"))
#
# and everything above goes on from `run`. The experiment that these photographs would be as `custom`, at their size (that
# of `custom` is another one):

# %%
size = {"data.height": str(spec.height), "data.width": str(spec.width)}
mine = presets.experiment("groupdnet", "custom", preset, seed, root=spec.root, assignments=size)
print("model", mine.model, "| data", mine.data.name, "| size", (mine.data.height, mine.data.width), "| classes", mine.network.C)
print("the same network as on `photos`, match:", mine.network == run.experiment.network)

# %% [markdown]
# A faulty folder never reaches training. Say, one label map holds a class that the list does not have:

# %%
try:
    data.one_hot(batch["label_map"][:1] + len(classes), classes, batch["name"])
except SmisError as error:
    print(error)

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
inside, outside = (sum(m[side] for m in moves.values()) / len(moves) for side in ("inside", "outside"))
print(f"{len(sources)} photographs, {spec.n_train} training crops, {len(classes)} clusters")
print(f"one cluster's code drawn anew: change {inside:.3f} inside, {outside:.3f} outside (0..2)")
ratio = next(name for name in metrics if name.startswith("mCSD/mOCD"))
print(f"{ratio} {cells['groupdnet', ratio]}, held-out reconstruction error {missed:.3f}")
