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

# %% tags=["parameters"]
model = "shipped"
shown = "explorer"

# %%
studio = recipe.Studio(smislib.load(model))
getattr(ui, shown)(studio)
