"""Human studies: balanced and blinded trials, sessions that go on where they stopped, and the arithmetic from answers to tables,
with raters whose accuracy is known.
"""

import dataclasses
import json
import random
import re
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from smislib import config, data, presets, results, runs, sample, study
from smislib.errors import SmisError
from smislib.models import MODELS
from smislib.study import REAL_VS_FAKE, SHE, Item, Sitting, Source, Study, pictures
from smislib.study.pictures import questions
from smislib.study.scores import Agreement, agreement

SHORT = dataclasses.replace(REAL_VS_FAKE, trials=8, practice=2)


def a_study(protocol=SHE, models=("groupdnet", "vspade"), controlled=None, seed=0) -> Study:
    """A study of painted pictures. For SHE a model changes one class alone in the share `controlled` of its pairs, and only the
    pictures' names tell a simulated rater: "one" or "many"."""
    n, controlled = protocol.practice + protocol.trials, controlled or dict.fromkeys(models, 0.5)
    items = []
    for model in models:
        for i in range(n):
            truth = "one" if i < round(n * controlled[model]) else "many"
            she = (f"map{i}.png", f"{model}-{i}-{truth}-a.png", f"{model}-{i}-{truth}-b.png")
            pictures = she if protocol.metric == "SHE" else (f"real{i}.png", f"fake-{model}-{i}.png")
            items.append(Item(model, f"image{i}", pictures, "hair" if protocol.metric == "SHE" else None, i < protocol.practice))
    sources = tuple(Source(m, 0, presets.experiment(m, preset="smoke").hash, "w") for m in models)
    made = Study("control", protocol, "mannequins", "smoke", seed, sources, tuple(items))
    made.pictures.mkdir(parents=True)
    for name in {name for item in items for name in item.pictures}:
        Image.new("RGB", (4, 4)).save(made.pictures / name)
    (made.folder / "study.json").write_text(json.dumps(config.to_dict(made)))
    return made


def answer(session, number: int, accuracy: float, rng: random.Random) -> str:
    """Of a rater who sees the truth in the pictures' names with this probability, and else its contrary."""
    protocol, names = session.study.protocol, [path.name for path in session.trial(number).pictures]
    truth = int("many" in names[1]) if protocol.metric == "SHE" else int(names[1].startswith("fake"))
    return protocol.answers[truth if rng.random() < accuracy else 1 - truth]


def rate(session, accuracy: float, rng: random.Random, stop: int | None = None) -> None:
    """That rater goes through a session, up to the trial `stop`."""
    while (trial := session.next) and trial.number != stop:
        session.answer(trial.number, answer(session, trial.number, accuracy, rng), 1.5)


def rate_elsewhere(sessions, accuracy: float, path, practice: float | None = None) -> None:
    """Such raters with another tool, all of whose answers are imported; `practice` is their accuracy there."""
    lines = ["rater,session,trial,answer"]
    for session in sessions:
        rng = random.Random(session.path.stem)
        for number, planned in enumerate(session.plan, 1):
            a = practice if planned.item.practice else accuracy
            lines.append(f"{session.rater},{session.number},{number},{answer(session, number, a, rng)}")
    path.write_text("\n".join(lines))
    study.import_answers(sessions[0].study, path)


# --- trials -----------------------------------------------------------------------------------------------------------


def test_the_protocols_are_those_of_the_papers():
    assert (SHE.trials, SHE.practice, SHE.display_seconds, SHE.one_session) == (50, 0, None, False)
    assert (REAL_VS_FAKE.trials, REAL_VS_FAKE.practice, REAL_VS_FAKE.display_seconds) == (40, 10, 1.0)
    assert REAL_VS_FAKE.one_session
    with pytest.raises(SmisError, match="metric SHE or Real"):
        dataclasses.replace(SHE, metric="she")


def test_questions_are_balanced_over_classes():
    present = torch.rand(60, 9, generator=torch.Generator().manual_seed(0)) < 0.6
    present[:, 3] = False  # a class that never occurs
    present[:, 5] = False
    present[:2, 5] = True  # a class on fewer label maps than it has questions
    asked = questions(present, 50, torch.Generator().manual_seed(1))
    counts = Counter(c for _, c in asked)
    assert len(asked) == 50 and set(counts) == {0, 1, 2, 4, 5, 6, 7, 8}
    assert sorted(counts.values()) == [6] * 6 + [7] * 2
    assert all(present[i, c] for i, c in asked)
    assert all(len({i for i, k in asked if k == c}) == n for c, n in counts.items() if c != 5)
    assert len(questions(torch.ones(4, 80, dtype=torch.bool), 50, torch.Generator())) == 50  # more classes than questions
    with pytest.raises(SmisError, match="no label map"):
        questions(torch.zeros(4, 3, dtype=torch.bool), 50, torch.Generator())


def test_trials_follow_from_study_rater_and_seed(home):
    made = a_study()
    first, again, other = (study.plan(made, rater) for rater in ("r00", "r00", "r02"))
    assert first == again and first != other
    assert first != study.plan(dataclasses.replace(made, seed=1), "r00")
    for session in (1, 2):  # every pair of one model, once
        planned = study.plan(made, "r00", session)
        assert len({p.item.model for p in planned}) == 1
        assert sorted(p.index for p in planned) == [i for i, item in enumerate(made.items) if item.model == planned[0].item.model]
    with pytest.raises(SmisError, match="has sessions 1 to 2 of study 'control', found 3"):
        study.plan(made, "r00", 3)


def test_real_and_generated_change_places_in_half_of_each_part(home):
    made = a_study(REAL_VS_FAKE)
    for rater in ("r00", "r01", "anna"):
        planned = study.plan(made, rater)
        assert [p.item.practice for p in planned] == [True] * 10 + [False] * 40
        assert [sum(p.swapped for p in part) for part in (planned[:10], planned[10:])] == [5, 20]
        assert all(p.generated(REAL_VS_FAKE) == REAL_VS_FAKE.answers[[n[0] for n in p.pictures].index("f")] for p in planned)
        with pytest.raises(SmisError, match="has sessions 1 to 1"):
            study.plan(made, rater, 2)


def test_models_are_balanced_over_numbered_raters(home):
    models = ("groupdnet", "groupnet", "vspade")
    made = a_study(REAL_VS_FAKE, models)
    assert Counter(m for r in range(30) for m in study.models_of(made, f"r{r:02}")) == dict.fromkeys(models, 10)
    assert {m for r in "abcdefghij" for m in study.models_of(made, r)} == set(models)
    she = dataclasses.replace(made, protocol=SHE)
    assert all(sorted(study.models_of(she, f"r{r}")) == sorted(models) for r in range(6))


def test_neither_the_screen_nor_the_answers_tell_the_model_or_the_key(home):
    made = a_study(SHORT)
    session = study.open_session(made, "r00")
    rate(session, 1.0, random.Random(0))
    stored = session.path.read_text()
    assert not re.search("groupdnet|vspade|real|fake|swapped", stored)
    assert {f.name for f in dataclasses.fields(study.Trial)} == {"number", "pictures", "practice"}


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_goes_on_where_it_stopped(home):
    made = a_study()
    session = study.open_session("control", "r00")
    rate(session, 1.0, random.Random(0), stop=20)
    stopped = session.path.read_text()
    again = study.open_session("control", "r00")
    assert (again.number, again.next.number, len(again.answers), again.finished) == (1, 20, 19, False)
    assert again.next == session.next
    rate(again, 1.0, random.Random(0))
    assert again.finished and again.next is None and session.finished
    assert again.path.read_text().startswith(stopped)  # it only grew
    second = study.open_session(made, "r00")
    assert second.number == 2 and second.model != again.model
    rate(second, 1.0, random.Random(0))
    assert study.open_session(made, "r00").finished
    assert [(s.rater, s.number) for s in study.sessions(made)] == [("r00", 1), ("r00", 2)]


def test_answers_are_given_once_in_turn_and_in_words_of_the_protocol(home):
    a_study()
    session = study.open_session("control", "r00")
    session.answer(1, "yes")
    before = session.path.read_text()
    with pytest.raises(SmisError, match=r"trial 1 of r00\.1\.jsonl has its answer already: the next is 2"):
        study.open_session("control", "r00").answer(1, "no")
    with pytest.raises(SmisError, match="has 1 of 50 answers, found one to trial 5"):
        session.answer(5, "no")
    with pytest.raises(SmisError, match="unknown answer 'maybe'"):
        session.answer(2, "maybe")
    assert session.path.read_text() == before
    with pytest.raises(SmisError, match="hide who it is"):
        study.open_session("control", "../r00")
    with pytest.raises(SmisError, match="Did you mean 'control'"):
        study.open_session("controll", "r00")


def test_a_crash_while_writing_keeps_what_was_answered(home, monkeypatch):
    a_study()
    session = study.open_session("control", "r00")
    session.answer(1, "yes")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(SmisError, match="cannot write"):
            session.answer(2, "yes")
    assert [a.trial for a in session.answers] == [1] and session.next.number == 2


def test_files_of_other_trials_or_damaged_ones_are_refused(home):
    made = a_study()
    session = study.open_session(made, "r00")
    rate(session, 1.0, random.Random(0), stop=4)
    text = session.path.read_text()
    other = dataclasses.replace(made, seed=1)
    with pytest.raises(SmisError, match="its answers are to other trials"):
        _ = study.Session(other, "r00").answers
    for wrong, message in (
        ("", "is not a session of a study"),
        (text[:-9], "is not a session of a study"),
        (text.replace('"trial": 2', '"trial": 3'), "must answer trials 1, 2"),
        (text.replace('"yes"', '"left"').replace('"no"', '"left"'), "by yes or no"),
        (text.replace('"rater": "r00"', '"rater": "r01"'), "is of rater 'r01', expected 'r00'"),
    ):
        session.path.write_text(wrong)
        with pytest.raises(SmisError, match=message):
            study.score(made)
    (made.folder / "study.json").write_text("{}")
    with pytest.raises(SmisError, match="is not a study"):
        study.find("control")


# --- scores -----------------------------------------------------------------------------------------------------------


def test_kappa_of_fleiss_worked_example():
    """Fourteen raters, ten subjects, five categories: 0.210 (the example of the article on Fleiss' kappa in Wikipedia)."""
    counts = np.array(
        [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
         [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    )  # fmt: skip
    found = agreement(counts)
    assert found.observed == pytest.approx(0.378, abs=5e-4) and found.kappa == pytest.approx(0.210, abs=5e-4)
    assert agreement(np.array([[2, 0], [0, 2]])) == Agreement(1.0, 1.0)
    assert agreement(np.array([[1, 1], [1, 1]])) == Agreement(0.0, -1.0)
    assert agreement(np.array([[3, 0], [3, 0]])) == Agreement(1.0, None)
    with pytest.raises(ValueError, match="2 or more raters"):
        agreement(np.array([[1, 0], [0, 1]]))


def test_raters_who_see_the_truth_give_she_its_value_exactly(home):
    made = a_study(controlled={"groupdnet": 0.9, "vspade": 0.2})
    for rater in ("r00", "r01"):
        for number in (1, 2):
            rate(study.Session(made, rater, number), 1.0, random.Random(0))
    found = study.score(made)
    assert {model: m.value for model, m in found.items()} == {"groupdnet": 90.0, "vspade": 20.0}
    assert all(m.metric == "SHE" and m.protocol["kappa"] == 1 for m in found.values())
    assert found["groupdnet"].interval == pytest.approx((90, 90))


@pytest.mark.parametrize("accuracy", [0.95, 0.7])
def test_she_of_raters_of_known_accuracy(home, tmp_path, accuracy):
    """Of pairs of which a share q differs in one class, a rater of accuracy a calls q a + (1 - q)(1 - a) so; two of them agree on
    one with probability a² + (1 - a)²."""
    q = {"groupdnet": 0.9, "vspade": 0.2}
    made, n = a_study(controlled=q), 24
    rate_elsewhere([study.Session(made, f"r{r:02}", k) for r in range(n) for k in (1, 2)], accuracy, tmp_path / "all.csv")
    for model, measured in study.score(made).items():
        expected = 100 * (q[model] * accuracy + (1 - q[model]) * (1 - accuracy))
        sd = 100 * (accuracy * (1 - accuracy) / (50 * n)) ** 0.5
        assert abs(measured.value - expected) < 4 * sd
        assert measured.interval[0] < measured.value < measured.interval[1]
        assert measured.spread == pytest.approx(sd, rel=0.5)
        assert measured.protocol["agreement"] == pytest.approx(accuracy**2 + (1 - accuracy) ** 2, abs=0.03)
        assert (measured.protocol["raters"], measured.protocol["resampled"]) == (n, "raters")


@pytest.mark.parametrize("accuracy", [1.0, 0.8, 0.5])
def test_real_vs_fake_of_raters_of_known_accuracy(home, tmp_path, accuracy):
    """Who finds the generated image with probability a is fooled in 1 - a of the trials that count; those of practice do not."""
    made, n = a_study(REAL_VS_FAKE), 24
    rate_elsewhere([study.Session(made, f"r{r:02}") for r in range(n)], accuracy, tmp_path / "all.csv", practice=0.0)
    found = study.score(made)
    assert set(found) == {"groupdnet", "vspade"}
    for measured in found.values():
        sd = 100 * (accuracy * (1 - accuracy) / (40 * n / 2)) ** 0.5
        assert abs(measured.value - 100 * (1 - accuracy)) <= 4 * sd
        assert measured.protocol["raters"] == n / 2


def test_one_rater_has_an_interval_over_questions_and_unfinished_sessions_do_not_count(home):
    made = a_study(controlled={"groupdnet": 0.5, "vspade": 0.5})
    rate(study.Session(made, "r00", 1), 1.0, random.Random(0))
    rate(study.Session(made, "r01", 2), 0.0, random.Random(0), stop=50)
    ((model, measured),) = study.score(made).items()
    assert model == study.models_of(made, "r00")[0] and measured.value == 50
    assert (measured.protocol["resampled"], measured.protocol["kappa"]) == ("questions", None)
    assert 30 < measured.interval[0] < 45 and 55 < measured.interval[1] < 70  # 50 ± 2 sqrt(.25 / 50)


def test_the_columns_of_the_tables_are_filled_when_there_are_sessions(home):
    experiments = {m: presets.experiment(m, preset="smoke") for m in ("groupdnet", "vspade")}
    rows = {MODELS[m].title: e for m, e in experiments.items()}
    printed = {"columns": ["SHE"], "rows": {"GroupDNet": [None]}, "confidence": "unavailable"}
    assert study.records("SHE", experiments.values()) == []
    assert set(study.table("Real", rows).values()) == {"no study"}
    a_study(controlled={"groupdnet": 0.8, "vspade": 0.5})
    rate(study.open_session("control", "r00"), 1.0, random.Random(0))
    ((only, shown),) = {name: cell for name, cell in study.table("SHE", rows).items() if cell != "no study"}.items()
    assert shown.startswith({"GroupDNet": "80.0 % [", "VSPADE": "50.0 % ["}[only])
    for rater in ("r01", "r02", "r03"):  # of four, two begin with each model
        rate(study.open_session("control", rater), 1.0, random.Random(0))
    found = study.records("SHE", experiments.values())
    assert {(r.model, r.value, r.experiment, r.data, r.preset, r.seed, r.seconds) for r in found} == {
        (m, v, experiments[m].hash, "mannequins", "smoke", 0, 2 * 50 * 1.5) for m, v in (("groupdnet", 80.0), ("vspade", 50.0))
    }
    table, _ = results.comparison(found, ["groupdnet", "vspade", "mulnet"], {"SHE": "SHE"}, printed)
    column = table["SHE ↑", "reproduced as SHE"].tolist()
    assert column == ["80.0 [80.0, 80.0]", "50.0 [50.0, 50.0]", "no study"]
    assert study.records("Real", experiments.values()) == [] == study.records("SHE", [presets.experiment("groupdnet")])
    beside = study.beside({"columns": ["a"], "rows": {"X": [1], "Y": [None]}}, {"X": "no study"})
    assert beside["here"].tolist() == ["no study", "–"]
    assert beside["a, published"].tolist() == ["1", "not available"]
    printed = {"columns": ["Map->Photo mean", "Map->Photo pm"], "rows": {"X": [0.8, 0.3]}}  # whose number it is, each column says
    assert list(study.beside(printed, {}).columns) == ["Map->Photo mean, published", "Map->Photo ±, published", "here"]


def test_a_record_is_of_the_network_that_was_shown_and_of_the_last_day(home):
    experiments = {m: presets.experiment(m, preset="smoke") for m in ("groupdnet", "vspade")}
    made = a_study(seed=5)  # the study's, not the networks'
    for rater in ("r00", "r01"):
        for number in (1, 2):
            rate(study.Session(made, rater, number), 1.0, random.Random(0))
        first = study.Session(made, rater, 1)  # of another model for each
        first.path.write_text(first.path.read_text().replace(first.date, "2001-02-03"))
    last = study.Session(made, "r00", 2).date
    found = study.records("SHE", experiments.values())
    assert [(r.model, r.seed, r.experiment, r.weights, r.date) for r in found] == [
        (m, 0, e.hash, "w", last) for m, e in experiments.items()
    ]


# --- the importer -----------------------------------------------------------------------------------------------------


def a_csv(path, made, raters=("r00",), **changes):
    """What another tool would export of raters who answer "y", "n", "y", ..."""
    lines = ["rater,trial,answer"]
    lines += [f"{rater},{t},{'y' if t % 2 else 'No'}" for rater in raters for t in range(1, made.protocol.trials + 1)]
    for old, new in changes.items():
        lines = [new if line == old.replace("_", ",") else line for line in lines]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_answers_of_another_tool_count_like_ours(home, tmp_path):
    made = a_study()
    imported = study.import_answers("control", a_csv(tmp_path / "a.csv", made, ("r00", "r01")))
    assert [s.finished for s in imported] == [True, True]
    by_hand = study.Session(made, "r02")
    for t in range(1, 51):
        by_hand.answer(t, "yes" if t % 2 else "no")
    assert {m.value for m in study.score(made).values()} == {50.0}
    assert by_hand.path.read_text().replace("r02", "r00").splitlines()[1:] == imported[0].path.read_text().splitlines()[1:]
    with pytest.raises(SmisError, match="is there already: an import never changes a session"):
        study.import_answers("control", tmp_path / "a.csv")


def test_an_imported_table_may_be_in_any_order(home, tmp_path):
    made = a_study()
    head, *lines = a_csv(tmp_path / "a.csv", made).read_text("utf-8-sig").splitlines()
    (tmp_path / "a.csv").write_text("\n".join([head, *reversed(lines)]))
    (session,) = study.import_answers(made, tmp_path / "a.csv")
    assert [(a.trial, a.answer) for a in session.answers] == [(t, "yes" if t % 2 else "no") for t in range(1, 51)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rater_trial_answer": "who,trial,answer"}, r"lacks rater: its first line must be .*found 'who,trial,answer'"),
        ({"r01_3_y": "r01,3,maybe"}, "line 54: answer 'maybe'; this study knows y, n, yes, no"),
        ({"r01_3_y": "r01,2,y"}, "line 54: a second answer of rater 'r01' to trial 2 of session 1"),
        ({"r01_3_y": "r01,three,y"}, "line 54: trial, session and seconds must be numbers"),
        ({"r01_3_y": "r01,51,y"}, r"rater 'r01', session 1 must answer trials 1 to 50, without trial 3 \(2 in all\)"),
        ({"r01_3_y": "r01,3"}, "line 54: answer None"),
        ({"r00_1_y": "r 1,1,y"}, "a rater's name has .*found 'r 1': .* hide who it is"),
        ({"rater_trial_answer": "trial,answer,rater"}, "line 2: trial, session and seconds must be numbers"),
    ],
)
def test_an_import_is_all_or_nothing(home, tmp_path, changes, message):
    made = a_study()
    with pytest.raises(SmisError, match=message):
        study.import_answers(made, a_csv(tmp_path / "a.csv", made, ("r00", "r01"), **changes))
    assert study.sessions(made) == []


# --- the sitting and its widget ---------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_sitting_from_begin_to_the_end(home):
    a_study(SHORT)
    clock = Clock()
    sitting = Sitting(study.open_session("control", "r00"), clock)
    model = sitting.session.model
    assert (sitting.stage, sitting.progress) == ("ready", "practice 1 of 2")
    sitting.answer("left")  # nothing is asked yet
    sitting.key(" ")
    assert sitting.stage == "trial" and sitting.session.answers == ()
    clock.now += 1.4  # half a second of blank, a second of pictures
    sitting.key("1")
    assert (sitting.message, sitting.session.answers) == ("Answer when the images are gone.", ())
    clock.now += 1.1
    sitting.key("7")
    assert sitting.message == "Keys: 1 left, 2 right."
    generated = sitting.session.plan[0].generated(SHORT)
    sitting.answer(generated)
    assert (sitting.stage, sitting.message) == ("feedback", f"Right: the {generated} image was generated.")
    assert sitting.session.answers[0].seconds == 1.0
    said = []
    while sitting.stage != "done":
        said.append(sitting.message)
        if sitting.stage == "feedback":
            sitting.proceed()
        else:
            clock.now += 2
            sitting.answer(next(a for a in SHORT.answers if a != sitting.session.plan[sitting.trial.number - 1].generated(SHORT)))
    assert [text[:5] for text in said if text] == ["Right", "Wrong"]  # feedback in practice alone
    assert not any(model in text for text in said) and sitting.progress == "8 of 8"
    assert sitting.message == (
        f"Thank you. All 8 pairs were of {model}. You took the real image of 8 of them for the generated one."
    )
    assert Sitting(study.open_session("control", "r00")).stage == "done"


def test_a_second_click_and_a_second_window_do_not_answer(home):
    made = a_study()
    clock = Clock()
    sitting = Sitting(study.open_session(made, "r00"), clock)
    sitting.proceed()
    clock.now += 1
    sitting.answer("yes")
    sitting.answer("yes")  # a double click
    assert (len(sitting.session.answers), sitting.progress, sitting.stage) == (1, "2 of 50", "trial")
    study.open_session(made, "r00").answer(2, "no")  # another window
    clock.now += 1
    sitting.key("y")
    assert (sitting.stage, sitting.progress) == ("ready", "3 of 50") and "has its answer already" in sitting.message
    assert [a.answer for a in sitting.session.answers] == ["yes", "no"]


def test_the_widget_asks_and_answers_by_click_and_key(home, monkeypatch):
    from smislib.study import sitting as timing
    from smislib.ui.rating import picture_html, rate

    monkeypatch.setattr(timing, "SETTLE", 0.0)
    monkeypatch.setattr(timing, "LEAD", 0.0)
    made = a_study(dataclasses.replace(SHORT, display_seconds=1e-9))
    session = study.open_session(made, "r00")
    widget = rate(session)
    question, progress, pictures, controls, message = widget.children
    go, left, right, keys = controls.children
    assert "Which image was generated?" in question.value and "1e-09 s" in question.value
    assert (progress.value, pictures.value, left.disabled, go.description) == ("practice 1 of 2", "", True, "Begin")
    go.click()
    assert pictures.value.count("<img") == 2 and "smis-exposure" in pictures.value and not left.disabled
    assert not re.search("groupdnet|vspade|fake|real", pictures.value)
    left.click()
    assert "image was generated" in message.value and pictures.value == "" and go.description == "Next"
    keys.value = " "
    assert keys.value == "" and 'id="trial-2"' in pictures.value
    keys.value = "2"
    assert keys.value == "" and [a.answer for a in session.answers] == ["left", "right"]
    go.click()
    for n in range(8):
        assert progress.value == f"{n + 1} of 8" and session.model not in message.value
        (left if n % 2 else right).click()
    assert session.finished and session.model in message.value and all(part.disabled for part in (left, right, keys))
    assert "visibility" not in picture_html(session.trial(1), None).split("</style>")[1]


# --- pictures of trained networks -------------------------------------------------------------------------------------


@pytest.fixture
def trained(small):
    """`trained(model)`: a run with the weights of an untrained network."""

    def make(model: str, **assignments) -> runs.Run:
        run = runs.open_run(small(model, **{"data.n_test": 12, **assignments}))
        run.finish(runs.build(run.experiment))
        return run

    return make


def test_a_study_of_networks_from_pictures_to_records(home, trained):
    pair = [trained("groupdnet"), trained("vspade")]
    made = study.make("parts", dataclasses.replace(SHE, trials=10), pair)
    assert made == study.find("parts") and len(made.items) == 20
    halves = made.items[:10], made.items[10:]
    assert [(i.name, i.part) for i in halves[0]] == [(i.name, i.part) for i in halves[1]]  # every model is asked the same
    assert set(Counter(i.part for i in halves[0]).values()) <= {1, 2}
    sizes = {Image.open(made.pictures / name).size for item in made.items for name in item.pictures}
    spec = pair[0].experiment.data
    assert sizes == {(spec.width, spec.height)}
    assert all(item.pictures[1] != item.pictures[2] for item in halves[0])
    session = study.open_session("parts", "r00")
    while trial := session.next:
        session.answer(trial.number, "yes")
    assert [r.value for r in study.records("SHE", [run.experiment for run in pair])] == [100.0]
    with pytest.raises(SmisError, match="there is a study 'parts' already"):
        study.make("parts", SHE, pair)


def test_a_question_is_of_its_class_and_its_codes_are_its_own_and_alike_for_every_model(home, trained, monkeypatch):
    asked = []

    def noting(networks, labels, c, n, rng):
        asked.append((c, n, rng.initial_seed(), bool(labels[0, c].any())))
        return sample.vary(networks, labels, c, n, rng)

    monkeypatch.setattr(pictures, "vary", noting)
    pair = [trained("groupdnet"), trained("vspade")]
    made = study.make("parts", dataclasses.replace(SHE, trials=10), pair)
    names = data.classes(pair[0].experiment.data).names
    assert [names[c] for c, *_ in asked] == [item.part for item in made.items]
    assert asked[:10] == asked[10:] and {(n, there) for _, n, _, there in asked} == {(2, True)}
    assert len({seed for _, _, seed, _ in asked}) == 10


def test_each_generated_picture_of_a_study_has_noise_of_its_own(home, trained, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        pictures, "draw", lambda networks, n, rng: seeds.append(rng.initial_seed()) or sample.draw(networks, n, rng)
    )
    study.make("fakes", SHORT, [trained("groupdnet")])
    assert len(set(seeds)) == len(seeds) == 10


def test_real_and_generated_pictures(home, trained):
    run = trained("groupdnet")
    made = study.make("fakes", SHORT, [run], seed=3)
    assert [i.practice for i in made.items] == [True] * 2 + [False] * 8
    assert len({i.name for i in made.items}) == 10 and all(len(set(i.pictures)) == 2 for i in made.items)
    with pytest.raises(SmisError, match="has 12 images, the protocol shows 50"):
        study.make("more", REAL_VS_FAKE, [run])
    assert [s.name for s in study.studies()] == ["fakes"]


def test_what_a_study_cannot_be_made_of_is_said(home, trained, small):
    run = trained("groupdnet")
    for runs_, message in (
        ([], "one run for each model, found"),
        ([run, run], "one run for each model, found"),
        ([run, trained("vspade", **{"data.n_test": 11})], "of one data set at one preset"),
        ([trained("spade")], "spade make one image of a label map"),
        ([runs.open_run(small("groupnet"))], "is not trained to its end"),
    ):
        with pytest.raises(SmisError, match=message):
            study.make("x", SHE, runs_)
    with pytest.raises(SmisError, match="letters, digits"):
        study.make("../x", SHE, [run])


def test_the_command_line(home, trained, tmp_path, capsys):
    from smislib.cli import app

    run = trained("groupdnet")
    app(["study", "make", "parts", "she", run.folder.name], standalone_mode=False)
    app(["study", "trials", "parts", "r00"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "rater,session,trial,pictures" and len(lines) == 52 and lines[-1].startswith("r00,1,50,")
    a_csv(tmp_path / "a.csv", study.find("parts"), ("r00", "r01"))
    app(["study", "import", "parts", str(tmp_path / "a.csv")], standalone_mode=False)
    study.open_session("parts", "r02").answer(1, "yes")
    app(["study", "score", "parts"], standalone_mode=False)
    out = capsys.readouterr().out
    assert re.search(r"groupdnet  SHE 50\.0 % \[50\.0, 50\.0\], 2 rater\(s\), kappa ", out)
    assert "r02.1.jsonl: 1 of 50, not counted" in out
    with pytest.raises(SmisError, match="unknown protocol"):
        app(["study", "make", "x", "shee", run.folder.name], standalone_mode=False)
