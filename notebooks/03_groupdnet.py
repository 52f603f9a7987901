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
# # 03 · GroupDNet assembled
#
# **Question.** What exactly is GroupDNet, layer by layer, and is ours the published one?
#
# | needs | |
# |---|---|
# | time | under a minute; nothing is trained |
# | memory | 1 GB (networks of paper width are built on the *meta* device: shapes without numbers) |
# | device | CPU |
#
# **You will see** a shape at every step, parameter counts against the official networks, Figures 2 and 3 drawn from the
# built modules, and Table 4.

# %%
import json
from dataclasses import replace

import pandas as pd
import torch

from smislib import data, diagrams, paths, presets, results, viz
from smislib.data import mannequins
from smislib.models import MODELS
from smislib.models.groupdnet import Networks, Schedule
from smislib.sample import generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## One file, one schedule
#
# Encoder, generator and discriminator are one short file. A `Schedule` holds everything that tells one variant at one size
# from another: channels and groups per block, what the encoder sees, how the classes are fused. Here is GroupDNet's at
# this preset.

# %%
schedule = presets.experiment("groupdnet", preset=preset).network
shown = "C height width z_shape channels groups hidden encoder_channels encoder_groups class_view"
for name in shown.split():
    print(f"{name:17}", getattr(schedule, name))

# %% [markdown]
# ## A shape at every step
#
# One batch through the untrained networks: image and labels → (μ, log σ²) → z → a feature map after each block → image →
# the discriminator's answers at two scales.

# %%
networks = presets.build("groupdnet", preset=preset, seed=seed).eval()
spec = presets.data_spec("mannequins", preset)
classes = data.classes(spec)
test = data.open_split(spec, "test")
batch = data.collate([test[i] for i in range(2)])
labels = data.labels(batch, classes)
print("image", tuple(batch["image"].shape), "labels", tuple(labels.shape))

# %%
with torch.no_grad():
    mu, logvar = networks.E(batch["image"], labels)
z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator(seed, "eps"))
print("mu", tuple(mu.shape), "logvar", tuple(logvar.shape), "z", tuple(z.shape))
print("8 channels for each class, class-major, match:", mu.shape[1] == 8 * len(classes))

# %%
with torch.no_grad():
    features = networks.G.features(labels, z)
    image = networks.G(labels, z)
for name, feature in zip(["fc", *(f"block {i + 1}" for i in range(len(schedule.groups)))], features, strict=True):
    print(f"{name:8}", tuple(feature.shape))
print("image   ", tuple(image.shape), "in [-1, 1], match:", bool(image.abs().max() <= 1))

# %%
with torch.no_grad():
    answers = networks.D(torch.cat([labels, image], 1))
for scale, outputs in enumerate(answers):
    print(f"D, scale {scale}:", " -> ".join(str(tuple(o.shape[1:])) for o in outputs))

# %% [markdown]
# At the small presets the code is one *vector* for each class. The paper's is a 4×4 map; its mean gave far cleaner samples
# on small data (see DIFFERENCES.md). At paper width:


# %%
def on_paper(s: Schedule) -> Networks:
    """The networks of a schedule without their numbers. Spectral norm adds no parameter and is left out: it builds slowly."""
    with torch.device("meta"):
        return Networks(replace(s, spectral=False)).eval()


deepfashion = presets.experiment("groupdnet", preset="paper").network
paper = on_paper(deepfashion)
table = pd.DataFrame([vars(layer) | {"part": part} for part, layers in diagrams.read(paper).items() for layer in layers])
print(table.set_index("part")[["name", "in_channels", "out_channels", "groups", "stride", "size"]].to_string())

# %% [markdown]
# ## Is it the published network?
#
# The official code's networks, as state dicts, have known sizes; `results/published/official_parameters.json` holds
# their counts. First our claim that spectral norm does not count:


# %%
def parameters(*players: torch.nn.Module) -> int:
    return sum(p.numel() for player in players for p in player.parameters())


bare = on_paper(schedule)
print("with and without spectral norm, match:", parameters(networks.G, networks.E) == parameters(bare.G, bare.E))

# %% [markdown]
# Other data sets are other schedules. Cityscapes has 35 classes and shows the generator the borders between instances.
# ADE20K has 151 classes, too many for C groups at full width, so its second block already drops to 16.

# %%
divisors = (35, 35, 20, 14, 10, 4, 1)
cityscapes = replace(
    deepfashion, C=35, height=256, width=512, instance_edge=True,
    channels=tuple(280 * m for m in (16, 16, 16, 8, 4, 2, 1)), groups=divisors,
    hidden=tuple(35 * g for g in divisors), shared_groups=(35,) * 7, affine_groups=(35,) * 7,
    encoder_channels=tuple(350 * m for m in (1, 2, 4, 8, 8, 8)), encoder_groups=35,
)  # fmt: skip
C, groups = 151, (151, 16, 16, 8, 4, 2, 1)
ade20k = replace(
    deepfashion, C=C, channels=(16 * C, *(64 * m for m in (32, 16, 16, 8, 4, 2))), groups=groups,
    hidden=tuple(2 * C if C % g == 0 else C * g for g in groups), shared_groups=(C,) * 7, affine_groups=groups,
    encoder_channels=tuple(604 * m for m in (1, 2, 4, 8, 8, 8)), encoder_groups=C,
)  # fmt: skip

# %%
built = {"deepfashion": paper, "cityscapes": on_paper(cityscapes), "ade20k": on_paper(ade20k)}
official = json.loads((paths.PUBLISHED.parent / "official_parameters.json").read_text())
rows = []
for name, nets in built.items():
    for player in ("G", "E", "D"):
        key, ours = f"smis/{name}/{player}", parameters(getattr(nets, player))
        unused = sum(official["unused"].get(key, {}).values())  # built by the official code and never called
        rows.append({"network": key, "official": official["counts"][key], "of it unused": unused, "ours": ours})
counts = pd.DataFrame(rows).set_index("network")
counts["match"] = counts["official"] - counts["of it unused"] == counts["ours"]
counts

# %%
published_match = bool(counts["match"].all())
print("all nine networks, expected the official counts, match:", published_match)

# %% [markdown]
# Every count agrees to the parameter. (`smis/ade20k/G` builds one block more, `up_4`, that it never calls; we do not build it.)
#
# ## Figure 2: the architecture
#
# The drawing below is made from the network: channels, groups and sizes are read off its modules, so a change of the schedule
# changes the drawing. A box is a group; its colours are the classes that the group holds.

# %%
picture = mannequins.render(spec.seed, "test", 3, deepfashion.width)
image, label_map = (torch.from_numpy(picture[key]) for key in ("image", "label_map"))
fig = diagrams.architecture(paper, classes, image.movedim(-1, 0) / 127.5 - 1, label_map.long())
caption = (f"SMIS Figure 2, drawn from the network of paper width ({deepfashion.height}×{deepfashion.width}): (a) GroupDNet, "
           "(b) a CG-Block, (c) a CG-Norm; g: groups. Lengths: cubic root of the channels.")  # fmt: skip
viz.save(fig, "fig02_architecture", caption, preset)
drawn = diagrams.read(paper)
print("groups in the drawing:", [layer.groups for layer in drawn["decoder"] if layer.kind == "block"])
print("expected the schedule's, match:", tuple(la.groups for la in drawn["decoder"] if la.kind == "block") == deepfashion.groups)

# %% [markdown]
# Read it from the left: the image is split by class, each class has an encoder of its own (one group), which ends in its own part
# of the code. The decoder starts with one group per class; where two colours run together, classes begin to share a
# group. The label map enters in every block through CG-Norm.
#
# ## Figure 3: the alternatives
#
# **MulNet** is the plain way to the same goal: a network for each class, their outputs masked and summed. **GroupNet** puts
# those networks into one, with C groups everywhere. **GroupDNet** lets the groups fall.

# %%
three = {MODELS[m].title: on_paper(presets.experiment(m, preset="paper").network) for m in ("mulnet", "groupnet", "groupdnet")}
fig = diagrams.side_by_side(three, classes)
caption = "SMIS Figure 3, drawn from the networks of paper width: channels at the left, groups at the right of each layer."
viz.save(fig, "fig03_alternatives", caption, preset)
for title, nets in three.items():
    print(f"{title:10} decoder groups {nets.schedule.groups}, fusion layers {nets.schedule.fusion}")

# %% [markdown]
# The other three rows of the ablation change the encoder or drop all groups of the decoder. The whole family as schedules,
# with the parameters of generator and encoder at paper width and at this preset:


# %%
def summary(model: str) -> dict:
    s, small = (presets.experiment(model, preset=p).network for p in ("paper", preset))
    plain = f"{s.fusion} plain conv{'s' * (s.fusion > 1)}"
    fused = "label masks, " * s.mask_features + (plain if s.fusion else "its own blocks")
    row = {"encoder groups": s.encoder_groups, "encoder sees": s.class_view, "decoder groups": s.groups, "fused by": fused}
    for name, schedule in (("paper", s), (preset, small)):
        nets = on_paper(schedule)
        row[f"parameters, {name}"] = f"{parameters(nets.G, nets.E) / 1e6:.2f} M"
    return row


pd.DataFrame({MODELS[m].title: summary(m) for m in presets.ABLATION}).T

# %% [markdown]
# GroupNet and MulNet have the fewest parameters at a given width, since they have the most groups; a plain decoder has the
# most. So a comparison at equal width is no comparison at equal size: the table of notebook 05 prints both.
#
# ## Table 4: channels and groups for each data set
#
# Published on the left, read off our built networks on the right, and the network of this preset below. Where we have no
# source for a published number, the table says so.

# %%
printed = results.published("SMIS_2003.12697", "table_4")
titles = {"DeepFashion": paper, "Cityscapes": built["cityscapes"], "ADE20K": built["ade20k"], f"mannequins ({preset})": bare}


def entry(column: str, nets: Networks) -> str:
    """One number, or list of numbers, of Table 4 as the built network has it."""
    s, layers = nets.schedule, diagrams.read(nets)
    blocks = [layer for layer in layers["decoder"] if layer.kind == "block"]
    first = layers["encoder"][0]
    values = {"encoder_channels_per_class_C": first.out_channels // s.C, "encoder_G": first.groups,
              "decoder_C": [b.out_channels for b in blocks], "decoder_G": [b.groups for b in blocks]}  # fmt: skip
    return str(values[column])


# %%
heads = {"encoder_channels_per_class_C": "encoder C per class", "encoder_G": "encoder G",
         "decoder_C": "decoder C", "decoder_G": "decoder G"}  # fmt: skip
frame = {}
for column, head in heads.items():
    frame[head, "published"] = [results.published_cell(printed, t, column) if t in printed["rows"] else "–" for t in titles]
    frame[head, "built"] = [entry(column, nets) for nets in titles.values()]
table_4 = pd.DataFrame(frame, index=pd.Index(titles, name="data set"))
table_4

# %%
caption = (f"SMIS Table 4. Decoder C: published ({printed['confidence']}) is the base width, built the channels of each block, "
           f"read off the modules. The last row is preset {preset}.")  # fmt: skip
saved = results.save_table(table_4, caption, "table04_channels_and_groups", preset)
same = all(table_4.loc[t, ("decoder G", "published")] == table_4.loc[t, ("decoder G", "built")] for t in printed["rows"])
print([path.name for path in saved], "| published and built groups, match:", same)

# %% [markdown]
# The Cityscapes encoder has no published entry: our two sources for it, the released code and a re-implementation made from
# the paper, disagree. Ours follows the released code, whose count it must match.
#
# ## Summary

# %%
print(f"networks that match the official parameter counts: {int(counts['match'].sum())} of {len(counts)}")
sizes = ", ".join(f"{player} {parameters(getattr(networks, player)):,}" for player in "GED")
print(f"GroupDNet at preset {preset}, parameters: {sizes}")
print(f"GroupDNet of paper width: G + E {parameters(paper.G, paper.E) / 1e6:.2f} M parameters, groups {deepfashion.groups}")
