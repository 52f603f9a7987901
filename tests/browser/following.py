# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %%
import smislib
from smislib import runs, study, ui

# %%
experiment = smislib.experiment("groupdnet", "mannequins", "smoke", assignments={"train.steps": "30"})
ui.monitor(experiment, every=0.5)

# %% [markdown]
# Once it is trained, a rater is asked about it.

# %%
if runs.run_of(experiment).finished:
    study.make("tried", study.SHE, [runs.run_of(experiment)])
    display(ui.rate(study.open_session("tried", rater="r01")))  # noqa: F821
