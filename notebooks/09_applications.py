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
# # 09 · Applications: Figures 6 and 14
#
# **Question.** What can one do with an image once each of its classes has a code of its own?
#
# | needs | |
# |---|---|
# | time | a minute when `make reproduce` has trained GroupDNet on mannequins, streets and rooms; else the time to train them |
# | memory | 1 GB |
# | device | CPU or one GPU |
#
# **You will see** images mixed of parts of five others, label maps that were edited (a skirt for trousers, a car that was
# not there, a mirror moved) with the appearance of everything kept, and one image that morphs into another, whole or in
# one class: the three applications of SMIS 4.4.3.

# %% tags=["nbval-ignore-output"]
import pandas as pd
import torch

from smislib import data, presets, runs, viz
from smislib.applications import appearance, change, lit, manipulations, mixture, morph, path, where
from smislib.data import edit
from smislib.errors import SmisError
from smislib.reproduce import ready
from smislib.sample import generator

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## Three networks
#
# One GroupDNet for each data set. All images below are held-out ones, and their codes come from the encoder.

# %% tags=["nbval-ignore-output"]
sets = ("mannequins", "streets", "rooms")
store = {name: ready(presets.experiment("groupdnet", name, preset, seed), measure=False) for name in sets}
for run in store.values():
    print(f"{run.experiment.name}: {run.experiment.train.steps} steps")

# %%
nets = {name: runs.load(run.weights) for name, run in store.items()}
test = {name: data.open_split(run.experiment.data, "test") for name, run in store.items()}
number = {name: {word: c for c, word in enumerate(data.classes(run.experiment.data).names)} for name, run in store.items()}
codes = {name: (len(number[name]), net.schedule.z_shape) for name, net in nets.items()}
print(pd.DataFrame(codes, index=["classes", "code of an image"]).to_string())

# %% [markdown]
# ## Appearance mixture
#
# Take six images. Keep the label map and the code of the first; take z of the hair from the second, of the skin (face,
# arms, legs) from the third, and so on. `mix` writes those channels into the first one's code.

# %%
net, people = nets["mannequins"], test["mannequins"]
parts = {"hair": ["hair"], "skin": ["face", "arms", "legs"]}
parts |= {name: [name] for name in ("upper clothes", "lower clothes", "background")}
recipes = [(5, 7, 6, 0, 10, 18), (20, 6, 12, 8, 7, 15), (9, 3, 1, 18, 17, 11), (11, 14, 16, 25, 9, 21), (22, 9, 8, 10, 30, 2)]
kept = [c for c in number["mannequins"] if not any(c in names for names in parts.values())]
print(f"{len(recipes)} mixtures of 6 images; the first gives its label map and its {', '.join(kept)}")

# %% [markdown]
# Each row reads like a sum: the image, what is taken from the others (the rest of them greyed out), the mixture.

# %%
sums = {}
for k, (base, *sources) in enumerate(recipes, 1):
    taken = {part: people[i] for part, i in zip(parts, sources, strict=True)}
    rebuilt, mixed = mixture(net, people[base], {c: taken[part] for part in parts for c in parts[part]}).split(1)
    shown = [lit(net, taken[part], where(net, taken[part], parts[part]))[1] for part in parts]
    sums[str(k)] = torch.cat([people[base]["image"][None], rebuilt, *shown, mixed])
print(f"{len(sums)} rows of {tuple(sums['1'].shape)}")

# %% tags=["nbval-ignore-output"]
titles = ["image", "rebuilt", *(f"+ {part}".replace(" clothes", "\nclothes") for part in parts), "= mixture"]
fig = viz.image_rows(sums, titles, size=1.15)
caption = f"As SMIS Figure 6, appearance mixture: held-out mannequins, preset {preset}, seed {seed}. Each row is a sum."
viz.save(fig, "fig06_mixture", caption, preset)
print("mean change by mixing:", {k: round((row[-1] - row[1]).abs().mean().item(), 3) for k, row in sums.items()})


# %% [markdown]
# Did each part take the colour of its source? We compare the mean colour of the part in the mixture with that of its
# source, and with that of the image it came into.


# %%
def colour(image: torch.Tensor, i: int, part: str) -> torch.Tensor:
    """The mean colour (3,) of `image` where mannequin i has the part."""
    return image[:, where(net, people[i], parts[part])].mean(1)


# %% tags=["nbval-ignore-output"]
found = []
for (base, *sources), row in zip(recipes, sums.values(), strict=True):
    for part, i in zip(parts, sources, strict=True):
        now, source, before = colour(row[-1], base, part), colour(people[i]["image"], i, part), colour(row[1], base, part)
        found.append({"part": part, "to the source": (now - source).norm().item(), "to the image": (now - before).norm().item()})
colours = pd.DataFrame(found)
nearer = (colours["to the source"] < colours["to the image"]).mean()
print(colours.groupby("part", sort=False).mean().round(2).to_string())
print(f"nearer to its source: {nearer:.0%} of {len(colours)} parts")

# %% [markdown]
# A part obeys as far as its code was learnt. The hair of these mannequins is a small region; where its row above shows
# two numbers of one size, the encoder has kept little of its colour, and "rebuilt" beside "image" shows the same.
#
# ## Semantic manipulation
#
# Now the codes stay and the label map changes. `smislib.data.edit` has the edits: `recast` a region to another class,
# `cut` a shape out of one label map and `insert` it into another, `move`, `remove`, `swap`. Each returns a new sample.
# What an edit uncovers is never guessed: `fill` names the classes that may flow into the hole.

# %%
of, giver = number["mannequins"], people[7]
H, W = giver["label_map"].shape
skirt, hair = (edit.cut(giver, edit.region(giver, of[name])) for name in ("lower clothes", "hair"))
print(f"frame {H}x{W}; cut from image 7: a skirt of {tuple(skirt.mask.shape)} and hair of {tuple(hair.mask.shape)} pixels")


# %%
def hung(sample: dict, c: int, shape: edit.Shape) -> tuple[int, int]:
    """The foot of `shape` when it hangs from where class c begins in the sample."""
    there = edit.cut(sample, edit.region(sample, c))
    return there.foot[0] - len(there.mask) + len(shape.mask), there.foot[1]


# %%
def dressed(sample: dict) -> dict[str, dict]:
    """Four edits of a mannequin in short sleeves and trousers."""
    upper, arms, trousers = (edit.region(sample, of[name]) for name in ("upper clothes", "arms", "lower clothes"))
    bare, front = edit.recast(sample, trousers, of["legs"]), [of["arms"], of["upper clothes"]]
    figure = sample["label_map"] != of["background"]
    return {
        "long sleeves": edit.recast(sample, edit.grown(upper, arms, round(0.12 * H)), of["upper clothes"]),
        "a skirt": edit.insert(bare, skirt, hung(sample, of["lower clothes"], skirt), behind=front),
        "long hair": edit.insert(sample, hair, hung(sample, of["hair"], hair), behind=[of["face"]]),
        "moved": edit.move(sample, figure, 0, -round(0.12 * W), fill=[of["background"]]),
    }


subjects = {"A": people[5], "B": people[22]}
edits = {name: dressed(sample) for name, sample in subjects.items()}
print({name: int((edits["A"][name]["label_map"] != people[5]["label_map"]).sum()) for name in edits["A"]}, "pixels edited")

# %% [markdown]
# `manipulations` encodes the image with its own labels and generates with the edited ones. We outline what was edited, show
# in the last column what was cut from where, and measure how much the image changes inside the edit and elsewhere,
# against the image rebuilt without one.

# %%
dolls = {name: manipulations(net, sample, edits[name]) for name, sample in subjects.items()}
cut_map, cut_image = lit(net, giver, where(net, giver, ["lower clothes", "hair"]))
rows, outlines = {}, {}
for name, found in dolls.items():
    rows[f"{name}: label map"] = torch.cat([found.label_maps, cut_map])
    rows[f"{name}: image"] = torch.cat([found.images, cut_image])
    figure = edits[name]["moved"]["label_map"] != of["background"]  # of all that differs, its new place says most
    outlines[f"{name}: label map"] = torch.cat([found.regions[:-1], figure[None]])
print(f"{len(rows)} rows of {len(rows['A: image'])}")

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows(rows, ["image", "rebuilt", *edits["A"], "cut from"], size=1.25, outlines=outlines)
caption = (
    f"As SMIS Figure 6, semantic manipulation: held-out mannequins, preset {preset}, seed {seed}. Outlined: what was edited."
)
viz.save(fig, "fig06_manipulation", caption, preset)
changes = pd.concat({name: pd.DataFrame(change(found), edits[name]) for name, found in dolls.items()})
print(changes.round(3).to_string())

# %% [markdown]
# ### A street: instances come along
#
# On streets the labels carry the edges between people, cars and buses. An edit therefore changes the instance map, too: an
# object that moves takes its instance with it, one that is inserted gets a number of its own.

# %%
street, donor, of = test["streets"][29], test["streets"][30], number["streets"]
walking = edit.region(street, instance=edit.instances(street, of["person"])[0])
driving = edit.region(donor, instance=edit.instances(donor, of["car"])[0])
person, car = edit.cut(street, walking), edit.cut(donor, driving)
print(f"a person of {int(person.mask.sum())} pixels, a car of {int(car.mask.sum())}, frame {tuple(walking.shape)}")

# %%
H, W = walking.shape
stuff = [c for name, c in of.items() if name not in ("person", "car", "bus")]
gone, ahead = edit.remove(street, walking, fill=stuff), (person.foot[0] + round(0.12 * H), person.foot[1] + round(0.2 * W))
edits = {
    "a car": edit.insert(street, car),
    "a car, its code": edit.insert(street, car),
    "person moved": edit.move(street, walking, 0, round(0.2 * W), fill=stuff),
    "person nearer": edit.insert(gone, person.scaled(1.4), ahead),
    "person removed": gone,
}
print({name: len(edit.instances(s, of["car"]) + edit.instances(s, of["person"])) for name, s in edits.items()}, "instances")

# %% [markdown]
# A code belongs to a class, not to an instance. So the inserted car has the code of the cars that are there. With that of
# the street that it was cut from (`parts`, as in a mixture) all cars, the inserted one and the others, get the code of
# those. It need not bring their colour along: at `demo` this network is trained for few steps, and many codes carry little.

# %%
found = manipulations(nets["streets"], street, edits, {"a car, its code": {"parts": appearance(nets["streets"], donor, "car")}})
cut_map, cut_image = lit(nets["streets"], donor, driving)
rows = {"label map": torch.cat([found.label_maps, cut_map]), "image": torch.cat([found.images, cut_image])}
print(f"labels with the edge: {nets['streets'].schedule.label_channels} channels of {len(of)} classes")

# %% tags=["nbval-ignore-output"]
titles = ["image", "rebuilt", *edits, "cut from"]
fig = viz.image_rows(rows, titles, size=1.5, outlines={"label map": found.regions})
caption = f"As SMIS Figure 6, semantic manipulation: a held-out street, preset {preset}, seed {seed}. Outlined: what was edited."
viz.save(fig, "fig06_manipulation_streets", caption, preset)
print(pd.DataFrame(change(found), edits).round(3).to_string())

# %% [markdown]
# ### A room: what was not there before
#
# A class that the image lacks has no appearance to keep. Its code is drawn from N(0,1), or it is that of the image it was
# cut from; with neither, there is an error. Where the two lamps below look alike, the lamp's code carries little.

# %%
room, lamps, fires, of = test["rooms"][15], test["rooms"][8], test["rooms"][21], number["rooms"]
lamp, fire = edit.region(lamps, of["pendant lamp"]), edit.region(fires, of["fireplace"])
names = list(of)
print("in the room:", ", ".join(names[c] for c in room["label_map"].unique()))

# %%
shell, W = [of["wall"], of["floor"]], room["label_map"].shape[1]
with_lamp = edit.insert(room, edit.cut(lamps, lamp))
edits = {
    "mirror moved": edit.move(room, edit.region(room, of["mirror"]), 0, round(0.6 * W), fill=shell),
    "armchair\nremoved": edit.remove(room, edit.region(room, of["armchair"]), fill=shell),
    "a lamp,\nits code drawn": with_lamp,
    "a lamp,\nits own code": with_lamp,
    "fireplace\nfor piano": edit.swap(room, edit.region(room, of["piano"]), edit.cut(fires, fire), fill=shell),
}
print(f"{len(edits)} edits")

# %%
try:
    manipulations(nets["rooms"], room, edits)
except SmisError as error:
    print(error, f"(Class {of['pendant lamp']} is the pendant lamp.)")

# %%
given = {name: {"parts": appearance(nets["rooms"], lamps, "pendant lamp")} for name in edits if "own" in name}
given |= {name: {"parts": appearance(nets["rooms"], fires, "fireplace")} for name in edits if "piano" in name}
given |= {name: {"rng": generator(seed, "lamp")} for name in edits if "drawn" in name}
found = manipulations(nets["rooms"], room, edits, given)
origins = [lit(nets["rooms"], lamps, lamp), lit(nets["rooms"], fires, fire)]
pairs = zip((found.label_maps, found.images), *origins, strict=True)
rows = dict(zip(("label map", "image"), (torch.cat(pair) for pair in pairs), strict=True))
print(f"{len(rows)} rows of {len(rows['image'])}")

# %% tags=["nbval-ignore-output"]
titles = ["image", "rebuilt", *edits, "lamp cut\nfrom", "fireplace\ncut from"]
fig = viz.image_rows(rows, titles, size=1.25, outlines={"label map": found.regions})
caption = f"As SMIS Figure 6, semantic manipulation: a held-out room, preset {preset}, seed {seed}. Outlined: what was edited."
viz.save(fig, "fig06_manipulation_rooms", caption, preset)
print(pd.DataFrame(change(found), [name.replace("\n", " ") for name in edits]).round(3).to_string())
drawn, own = (found.images[2 + list(edits).index(f"a lamp,\nits {which}")] for which in ("code drawn", "own code"))
print(f"the two lamps differ by {(drawn - own)[:, found.regions[4]].abs().mean():.3f} (0..2)")

# %% [markdown]
# ## Style morphing
#
# The codes of two images are two points; `interpolate` walks from one to the other in a straight line, with all classes or
# with some. The label map stays that of the first image.

# %%
morphs = {
    "all classes (1)": morph(net, people[5], people[10]),
    "all classes (2)": morph(net, people[20], people[8]),
    "upper clothes (1)": morph(net, people[5], people[10], ["upper clothes"]),
    "background (2)": morph(net, people[20], people[8], ["background"]),
}
frames = ["first", *(f"t = {t:.2f}" for t in torch.linspace(0, 1, 8).tolist()), "last"]
print({name: tuple(found.images.shape) for name, found in morphs.items()})

# %% tags=["nbval-ignore-output"]
fig = viz.image_rows({name: found.images for name, found in morphs.items()}, frames, size=1.05)
caption = (
    f"As SMIS Figure 6, style morphing: held-out mannequins, preset {preset}, seed {seed}. In grey: what does not take part."
)
viz.save(fig, "fig06_morphing", caption, preset)
print(pd.DataFrame({name: path(found) for name, found in morphs.items()}).T.round(3).to_string())

# %% [markdown]
# `inside` is how far a pixel of the class goes from frame to frame in sum, `outside` the same for the rest of the image:
# small, if only the class morphs. `straight` is the distance between the ends as a share of that way: near 1, a morph does
# not wander through colours that neither image has. The ends are what the codes have kept of the two images: where t = 0
# does not look like the first, or `inside` is near 0, that class's code carries little.
#
# ### Figure 14: one class in each row

# %% tags=["nbval-ignore-output"]
pairs = {"hair": (7, 3), "skin": (6, 12), "upper clothes": (0, 11), "lower clothes": (30, 10), "background": (15, 18)}
single = {part: morph(net, people[a], people[b], parts[part]) for part, (a, b) in pairs.items()}
fig = viz.image_rows({name: found.images for name, found in single.items()}, frames, size=1.05)
caption = f"As SMIS Figure 14: held-out mannequins, preset {preset}, seed {seed}; one class in each row (skin: face, arms, legs)."
viz.save(fig, "fig14_morphing", caption, preset)
ways = pd.DataFrame({name: path(found) for name, found in single.items()}).T
print(ways.round(3).to_string())

# %% [markdown]
# The same on streets and in rooms, whose networks are trained for fewer steps at `demo`. An `inside` near 0 says that the
# class does not change: its code carries nothing yet.


# %%
def scenes(name: str, pairs: dict[str, tuple[int, int]], size: float) -> pd.DataFrame:
    """Figure 14 of a data set, a class for each pair of images; returns its ways."""
    found = {word: morph(nets[name], test[name][a], test[name][b], [word], frames=6) for word, (a, b) in pairs.items()}
    titles = ["first", *(f"t = {t:.1f}" for t in torch.linspace(0, 1, 6).tolist()), "last"]
    fig = viz.image_rows({word: f.images for word, f in found.items()}, titles, size=size)
    caption = f"As SMIS Figure 14: held-out {name}, preset {preset}, seed {seed}; one class in each row."
    viz.save(fig, f"fig14_morphing_{name}", caption, preset)
    return pd.DataFrame({word: path(f) for word, f in found.items()}).T.round(3)


# %% tags=["nbval-ignore-output"]
print(scenes("streets", {"sky": (0, 26), "building": (4, 8), "vegetation": (10, 12), "car": (30, 21)}, size=1.5).to_string())

# %% tags=["nbval-ignore-output"]
print(scenes("rooms", {"wall": (5, 6), "floor": (4, 6), "bathtub": (27, 16), "curtain": (31, 13)}, size=1.15).to_string())

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
print(f"mixture: {nearer:.0%} of the parts are nearer to the colour of their source than to that of the image before")
print(f"manipulation: mannequins change {changes['inside'].mean():.3f} inside the edit, {changes['outside'].mean():.3f} outside")
print(f"morphing: way {ways['inside'].mean():.3f} inside the class, {ways['outside'].mean():.3f} outside, per pixel (0..2)")
