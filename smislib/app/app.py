# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # smislib: label maps to pictures
#
# A generator draws a picture of a label map. Each class of the map has a code of its own, which says how it looks.

# %% tags=["parameters"]
model = "shipped"

# %%
from smislib.app.page import page

page(model)
