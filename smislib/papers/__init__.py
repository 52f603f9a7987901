"""The values of every model beside GroupDNet and its variants, a module for each paper; they are joined here.

A module of `PAPERS` has: SCHEDULES, model -> (preset, data set's name, {C, height, width, instance_edge}) -> its schedule;
LOSS, model -> preset -> its loss weights; TRAIN, (model, preset) -> what differs from the optimiser of `presets.TRAIN`;
EXPERIMENTS, the (model, data set) pairs behind its tables and figures.
"""

from . import baselines, gaugan, pix2pix

PAPERS = (baselines, pix2pix, gaugan)
SCHEDULES = {model: schedule for paper in PAPERS for model, schedule in paper.SCHEDULES.items()}
LOSS = {model: of_preset for paper in PAPERS for model, of_preset in paper.LOSS.items()}
TRAIN = {key: changes for paper in PAPERS for key, changes in paper.TRAIN.items()}
EXPERIMENTS = tuple(pair for paper in PAPERS for pair in paper.EXPERIMENTS)
