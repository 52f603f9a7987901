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
# # 17 · The ledger: what the papers claim, and what came out
#
# **Question.** Which of the statements of the five papers come out here, which do not, and which can nobody tell?
#
# | needs | |
# |---|---|
# | time | seconds: it reads records and trains nothing |
# | memory | 1 GB |
# | device | CPU |
#
# **You will see** how a claim is tested, the verdicts paper by paper, every claim with the numbers that decided it, why some did
# not come out, and the way from such a number back to the training that it was measured on.

# %% tags=["nbval-ignore-output"]
import matplotlib.pyplot as plt

from smislib import paths, results, viz
from smislib.claims import ledger
from smislib.claims.logic import BETTER, VERDICTS, Claim, comparing
from smislib.results import Record
from smislib.why import why

# %% tags=["parameters"]
preset = "demo"

# %% [markdown]
# ## How a claim is tested
#
# A claim is one sentence of ours, where the paper says it, the data set, and a test. The test looks values up; each has a 95 %
# interval: a bootstrap over test images and, where there are several seeds, Student's t over these, since three trainings say
# little about a fourth. Two values differ where the interval of their quotient leaves out 1.

# %%
claim = Claim("smis", "4.4.1, Table 1", "VSPADE has a better FID than DSCGAN", "mannequins",
              *comparing(("vspade", BETTER, "dscgan"), metrics=("FID",)))  # fmt: skip
print(claim.sentence, "| tested as", claim.tested_as)


# %%
def made_up(model: str, low: float, high: float) -> Record:
    """A record of nothing: FID in the middle of its interval."""
    return Record("FID", (low + high) / 2, {}, model, "mannequins", preset, 0, "none", "none", (low, high))


# %% [markdown]
# Another record is another verdict, and a missing one is none:

# %%
theirs = made_up("dscgan", 30, 34)
for ours in ((20, 24), (26, 32), (40, 44)):
    finding = ledger.check(claim, [made_up("vspade", *ours), theirs])
    print(f"{finding.found}: {finding.verdict}")
print(ledger.check(claim, [theirs]).found + ":", ledger.check(claim, [theirs]).verdict)

# %% [markdown]
# ## The verdicts
#
# Of the experiments that this machine has not measured, the records committed with the library stand in. Below `demo` there are
# none, so nothing is decided that was not trained here.

# %% tags=["nbval-ignore-output"]
findings = ledger.ledger(preset)
saved = ledger.save(findings, "claims", preset)
print(ledger.caption(findings, preset))
ledger.summary(findings)

# %%
print(f"at least 45 claims: {len(findings) >= 45}; files: {', '.join(path.name for path in saved)}")
print("each is one sentence:", all(f.claim.sentence.endswith(".") and ". " not in f.claim.sentence for f in findings))

# %% tags=["nbval-ignore-output"]
summary = ledger.summary(findings).drop("all")
fig, ax = plt.subplots(figsize=(6.4, 2.2))
left = 0 * summary["claims"].astype(int)
for verdict, colour in zip(VERDICTS.values(), ("#2f8f5b", "#c8553d", "#c3c9cf"), strict=True):
    ax.barh(summary.index, summary[verdict].astype(int), left=left, color=colour, label=verdict)
    left += summary[verdict].astype(int)
ax.invert_yaxis()
ax.set(xlabel="claims")
ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=3)
seeds = results.seeds_of(r for f in findings for cell in f.measured.values() for r in cell.records)
viz.save(fig, "fig_claims", f"Verdicts on the papers' claims, preset {preset}, seeds {seeds}.", preset)
print({paper: int(n) for paper, n in summary["claims"].items()})

# %% [markdown]
# ## Every claim
#
# With what decided it. The whole, with how each sentence is read, is in `figures/claims.md`.

# %% tags=["nbval-ignore-output"]
table = ledger.table(findings, preset)
for number, line in table.iterrows():
    print(f"{number}  {line['verdict'].upper()}: {line['claim']} ({line['where']}; {line['data']}, {line['seeds']} seed(s))")
    print("   ", line["found"])

# %% [markdown]
# ## What did not come out, and why
#
# A reason is a claim too, ours this time, and tested as theirs are (`smislib/claims/reasons.py`): "met" where our records bear it
# out, "not decidable" where they leave it open, or are of something else. Where there is "no record", the place to look at is
# named; `d_rotation` in a log is D's loss at telling how a picture was turned.

# %% tags=["nbval-ignore-output"]
for number, line in ledger.unmet(findings, preset).iterrows():
    print(f"{number}  {line['claim']}\n    because: {line['because']}\n    {line['outcome'].upper()} as {line['tested as']}")
    print("   ", line["found"])

# %% [markdown]
# ## From a number to its training
#
# `smis why claims NUMBER found`, or `smis why` with any table, row and column, says where a number comes from: record, run,
# experiment, weights, code, protocol, when and how it was measured, and the command that makes it again. Here are two steps of
# its answer, from the number to its records and on to the command of each, for the first claim that is decided.

# %% tags=["nbval-ignore-output"]
decided = next((number for number, line in table.iterrows() if line["verdict"] != VERDICTS[None]), table.index[0])
for line in why(str(paths.figures(preset) / "claims.csv"), decided, "found", preset):
    if not line.startswith("  ") or line.split()[0] in ("record", "again"):
        print(line)

# %% [markdown]
# ## Summary

# %% tags=["nbval-ignore-output"]
for paper, line in ledger.summary(findings).iterrows():
    print(f"{paper:14}", ", ".join(f"{name} {value}" for name, value in line.items()))
