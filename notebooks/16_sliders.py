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
# # 16 · Sliders: explore, mix, paint, morph
#
# **Question.** What does a network know about its classes? Ask it by hand.
#
# | needs | |
# |---|---|
# | time | under a minute when `make reproduce` has trained the networks; else the time to train three of them |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** the widgets of `smislib.ui`, each on a loaded model: one call, one widget. (`rate` asks people: see
# notebook 10.) In JupyterLab they move; on GitHub, in print and when a notebook runs headless, the same cell shows a strip of
# what they would show. `make app` opens the explorer, the mixer and the painter in a browser without any notebook.

# %% tags=["nbval-ignore-output"]
import pandas as pd
import torch

import smislib
from smislib import paths, presets, recipe, runs, ui
from smislib.reproduce import ready

# %% tags=["parameters"]
preset = "demo"
seed = 0

# %% [markdown]
# ## The explorer
#
# Each row is a class. Its slider goes along the line from code a to code b; the arrow draws another b; the lock keeps a class
# where it is while *all* moves. The outline is the class that moved last, and the heat map is what changed with it: bright
# pixels outside of the outline are what leaked. Face, arms and legs of mannequins share one skin (notebooks 01 and 05): the
# code of the legs alone does next to nothing here.

# %% tags=["widget"]
networks = smislib.load("shipped")
explorer = ui.explorer(networks, "test/3")
explorer

# %% [markdown]
# A widget holds no pixels but a **recipe**: the label map, and for each class the two codes and how far between them it is.
# The same recipe gives the same picture, bit for bit; *export* writes it beside the picture, and `smis render recipe.json`
# draws it again. What a slider does is one line of Python:

# %%
shirt = explorer.studio.classes.names.index("upper clothes")
changed = explorer.recipe.with_part(shirt, t=0.5)
before, after = (explorer.studio.image(r) for r in (explorer.recipe, changed))
inside = explorer.studio.label_map(changed) == shirt
moved = (after - before).abs().mean(0)
print(changed.parts[shirt])
print("inside moves more than outside:", bool(moved[inside].mean() > 5 * moved[~inside].mean()))

# %%
file = paths.home() / "runs" / "recipe.json"
changed.save(file)
again = recipe.read(file)
print("read again, the same recipe:", again == changed, "| the same pixels:", torch.equal(explorer.studio.image(again), after))

# %% [markdown]
# ## The mixer
#
# The label map of one image, and the appearance of each class from whichever you like (SMIS Figure 6).

# %% tags=["widget"]
ui.mixer(explorer.studio)

# %% [markdown]
# ## The painter
#
# Paint a label map, or load one and change it; the picture follows. The style is a drawn code, or that of a picture.

# %% tags=["widget"]
ui.painter(explorer.studio)

# %% [markdown]
# ## Morphing
#
# From the look of one image to that of another, whole or in some classes (SMIS Figure 14), as a film.

# %% tags=["widget"]
ui.morph(explorer.studio)

# %% [markdown]
# ## Other models, the same widgets
#
# OASIS has no encoder and no class parts: its code is a vector for each pixel. So each class has a vector of its own, and so
# may any region.

# %% tags=["nbval-ignore-output"]
models = {"oasis": "mannequins", "spade_vae": "streets", "biggan": "tokens"}
store = {model: ready(presets.experiment(model, name, preset, seed), measure=False) for model, name in models.items()}
loaded = {model: runs.load(run.weights) for model, run in store.items()}
print(pd.Series({model: net.schedule.z_shape for model, net in loaded.items()}, name="code of an image").to_string())

# %% tags=["widget", "nbval-ignore-output"]
ui.noise(loaded["oasis"])

# %% [markdown]
# SPADE with a VAE has one code for the whole image, so its mixer is style transfer: one label map, the style of another image.

# %% tags=["widget", "nbval-ignore-output"]
ui.mixer(loaded["spade_vae"])

# %% [markdown]
# A BigGAN has classes in the place of label maps. The slider mixes two of them, as a soft label.

# %% tags=["widget", "nbval-ignore-output"]
ui.classes(loaded["biggan"])

# %% [markdown]
# ## Watching a training
#
# The monitor reads the log and the samples of a run while it grows; of a finished one it shows how it went. A curve is a term of
# a loss, of G's (`g_`) or of D's (`d_`). Here of OASIS (notebook 13): `g_segmentation`, `d_real` and `d_fake` are cross
# entropies, `d_labelmix` is how far what D says of a mixture is from what it says of its parts.

# %% tags=["widget", "nbval-ignore-output"]
ui.monitor(store["oasis"])

# %% [markdown]
# ## Summary

# %%
print(f"{len([name for name in ui.__all__])} widgets: {', '.join(sorted(ui.__all__))}")
