"""`smis study`: human studies."""

from typing import Annotated

import typer

study_app = typer.Typer(help="Ask people: SHE (SMIS 4.3), real-vs-fake (pix2pix 4.1).")


@study_app.command("make")
def study_make(
    name: Annotated[str, typer.Argument(help="what to call it")],
    protocol: Annotated[str, typer.Argument(help="she or real")],
    trained: Annotated[list[str], typer.Argument(metavar="RUN...", help="names of finished runs, one for each model")],
    seed: Annotated[int, typer.Option(help="of questions, codes and orders")] = 0,
):
    """Make a study's pictures. smislib.ui.rating.rate(smislib.study.open_session(NAME, RATER)) then asks."""
    from . import runs, study
    from .errors import did_you_mean

    if protocol not in study.NAMES:
        raise did_you_mean("protocol", protocol, study.NAMES)
    print(study.make(name, study.NAMES[protocol], [runs.find(run) for run in trained], seed).folder)


@study_app.command("trials")
def study_trials(name: str, rater: str, session: Annotated[int, typer.Option(help="of the rater")] = 1):
    """What to show a rater with another tool, as CSV: trial and pictures from left to right, without the key."""
    from . import study

    asked = study.Session(study.find(name), rater, session)
    print("rater,session,trial,pictures")
    for number in range(1, len(asked.plan) + 1):
        print(f"{rater},{session},{number},{' '.join(path.name for path in asked.trial(number).pictures)}")


@study_app.command("import")
def study_import(name: str, file: Annotated[str, typer.Argument(help="CSV: rater,trial,answer and perhaps session,seconds")]):
    """Read the answers that another tool collected."""
    from . import study

    for session in study.import_answers(name, file):
        print(session.path)


@study_app.command("score")
def study_score(name: str):
    """The scores of a study by model, and the sessions that are not finished. Ends the blinding: not for raters."""
    from . import study
    from .results import significant

    found = study.find(name)
    for model, measured in study.score(found).items():
        interval = f" [{significant(measured.interval[0])}, {significant(measured.interval[1])}]" if measured.interval else ""
        p = measured.protocol
        kappa = "" if p["kappa"] is None else f", kappa {p['kappa']:.2f}"
        print(f"{model:>20}  {measured.metric} {significant(measured.value)} %{interval}, {p['raters']} rater(s){kappa}")
    for session in study.sessions(found):
        if not session.finished:
            print(f"{session.path.name}: {len(session.answers)} of {len(session.plan)}, not counted")
