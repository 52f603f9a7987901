# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %%
import smislib
from smislib import recipe, ui

studio = recipe.Studio(smislib.load("shipped"))

# %%
ui.explorer(studio)

# %%
ui.painter(studio)

# %%
ui.mixer(studio)

# %%
ui.morph(studio)
