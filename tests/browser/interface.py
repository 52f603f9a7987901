# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %%
import smislib
from smislib import ui
from smislib.studio import Studio

studio = Studio(smislib.load("shipped"))

# %%
ui.explorer(studio)

# %%
ui.painter(studio)

# %%
ui.mixer(studio)

# %%
ui.morph(studio)
