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
# **You will see** a shape at every step, parameter counts against the official networks, Figures 2, 3 and 7 to 10 drawn
# from the built modules, and Table 4.

# %%
import json

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
# At the small presets the code is one *vector* for each class, the mean over the class's own cells; the paper's is a 4×4
# map. Notebook 08 trains both (Table 3). At paper width:


# %%
def on_paper(s: Schedule) -> Networks:
    """The networks of a schedule without their numbers."""
    with torch.device("meta"):
        return Networks(s).eval()


deepfashion = presets.experiment("groupdnet", "deepfashion", "paper").network
paper = on_paper(deepfashion)
table = pd.DataFrame([vars(layer) | {"part": part} for part, layers in diagrams.read(paper).items() for layer in layers])
print(table.set_index("part")[["name", "in_channels", "out_channels", "groups", "stride", "size"]].to_string())

# %% [markdown]
# ## Is it the published network?
#
# The official code's networks, as state dicts, have known sizes; `results/published/official_parameters.json` holds
# their counts. Other data sets are other schedules. Cityscapes has 35 classes and shows the generator the borders between
# instances. ADE20K has 151 classes, too many for C groups at full width, so its second block already drops to 16.


# %%
def parameters(*players: torch.nn.Module) -> int:
    return sum(p.numel() for player in players for p in player.parameters())


cityscapes, ade20k = (presets.experiment("groupdnet", name, "paper").network for name in ("cityscapes", "ade20k"))
for name, s in {"DeepFashion": deepfashion, "Cityscapes": cityscapes, "ADE20K": ade20k}.items():
    print(f"{name:11} {s.height}×{s.width}, groups {s.groups}, channels {s.channels}")

# %%
built = {"deepfashion": paper, "cityscapes": on_paper(cityscapes), "ade20k": on_paper(ade20k)}
source = json.loads((paths.PUBLISHED.parent / "official_parameters.json").read_text())
official = source["counts"]
rows = []
for name, nets in built.items():
    for player in ("G", "E", "D"):
        key = f"smis/{name}/{player}"
        rows.append({"network": key, "official": official[key], "ours": parameters(getattr(nets, player))})
counts = pd.DataFrame(rows).set_index("network")
counts["match"] = counts["official"] == counts["ours"]
counts

# %%
print("all nine networks, expected the official counts, match:", bool(counts["match"].all()))

# %% [markdown]
# Every count agrees to the parameter. (`smis/ade20k/G` builds one block, `up_4`, that it never calls; so do we, and
# Figure 10 shows it in grey.)
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

# %% [markdown]
# ## Figures 7 to 10: the networks layer by layer
#
# The appendix has the networks as lists of layers; so have we, with the lanes of Figures 2 and 3 beside the numbers. All are
# the paper's networks, whatever the preset of this notebook, and each drawing can be checked against the official counts.
#
# **Figure 7, the discriminator.** The same PatchGAN judges image and labels at two scales. Each of its answers sees a patch: the
# receptive field grows by (kernel - 1) × the strides so far.

# %%
fig = diagrams.discriminator(paper.D, deepfashion.height, deepfashion.width, image.movedim(-1, 0) / 127.5 - 1)
sizes = ", ".join(f"{title} {parameters(nets.D):,} ({nets.D[0][0][0].in_channels} channels in)" for title, nets in built.items())
caption = ("SMIS Figure 7, drawn from the discriminator as published (preset paper), for DeepFashion. SN, IN: spectral and "
           f"instance norm; field: pixels of the image. Parameters of both scales: {sizes}.")  # fmt: skip
viz.save(fig, "fig07_discriminator", caption, preset)
scales = diagrams.read_discriminator(paper.D, deepfashion.height, deepfashion.width)
for i, layers in enumerate(scales):
    print(f"scale {i + 1}: channels {[la.out_channels for la in layers]}, receptive fields {[la.field for la in layers]}")


# %%
def drawn_count(layers: list[diagrams.Layer], key: str) -> str:
    """The sum over a drawing's rows against the official count."""
    found = sum(layer.parameters for layer in layers)
    return f"{key}: we see {found:,}, expected {official[key]:,}, match: {found == official[key]}"


print(drawn_count([layer for layers in scales for layer in layers], "smis/deepfashion/D"))

# %% [markdown]
# **Figure 8, the encoders.** As many groups as classes from the image to the code: no class ever sees another one's pixels.

# %%
titles = {"deepfashion": "DeepFashion", "cityscapes": "Cityscapes", "ade20k": "ADE20K"}
sets = {title: data.classes(presets.data_spec(name, "paper")) for name, title in titles.items()}
released = {title: built[name] for name, title in titles.items()}
fig = diagrams.encoders(released, sets)
caption = ("SMIS Figure 8, drawn from the encoders as published (preset paper). Colours: classes. "
           "Lengths: cubic root of the channels. SN, IN: spectral, instance norm.")  # fmt: skip
viz.save(fig, "fig08_encoder", caption, preset)
for name, title in titles.items():
    layers = diagrams.read(released[title])["encoder"]
    print(f"channels {[la.out_channels for la in layers]}, groups {sorted({la.groups for la in layers})}")
    print(drawn_count(layers, f"smis/{name}/E"))

# %% [markdown]
# **Figures 9 and 10, the generators.** Where boxes merge, classes begin to share a group. DeepFashion and Cityscapes fall slowly.
# ADE20K has the most classes and keeps them apart on the start grid alone; its generator is the smallest of the three.


# %%
def draw_generators(figure: int, file: str, *shown: str) -> None:
    fig = diagrams.generators({t: released[t] for t in shown}, {t: sets[t] for t in shown})
    caption = (f"SMIS Figure {figure}, drawn from the modules as published (preset paper). ↑2: nearest upsampling; CG-Norm: its "
               "hidden channels, groups of its first convolution / of γ and β. SN, BN: spectral, batch norm.")  # fmt: skip
    viz.save(fig, file, caption, preset)
    for title in shown:
        layers = diagrams.read(released[title])["decoder"] + diagrams.read_unused(released[title].G)
        print(f"{title}: channels {[la.out_channels for la in layers]}, groups {[la.groups for la in layers]}")
        print(drawn_count(layers, f"smis/{title.lower()}/G"))


draw_generators(9, "fig09_generators", "DeepFashion", "Cityscapes")
draw_generators(10, "fig10_generator", "ADE20K")
unused = diagrams.read_unused(built["ade20k"].G)
print("never called:", unused[0].parameters, "match:", unused[0].parameters == source["unused"]["smis/ade20k/G"]["up_4"])

# %% [markdown]
# ## Table 4: channels and groups for each data set
#
# Published on the left, read off our built networks on the right; below, the networks of this preset on the data sets that
# stand in for the paper's. Where we have no source for a published number, the table says so.

# %%
printed = results.published("SMIS_2003.12697", "table_4")
stand_ins = {f"{name} ({preset})": presets.build("groupdnet", name, preset) for name in presets.STANDS_FOR}
shown = {**released, **stand_ins}


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
    frame[head, "published"] = [results.published_cell(printed, t, column) if t in printed["rows"] else "–" for t in shown]
    frame[head, "built"] = [entry(column, nets) for nets in shown.values()]
table_4 = pd.DataFrame(frame, index=pd.Index(shown, name="data set"))
table_4

# %%
caption = (f"SMIS Table 4. Decoder C: published ({printed['confidence']}) is the base width, built the channels of each block, "
           f"read off the modules. The last rows are preset {preset}.")  # fmt: skip
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
