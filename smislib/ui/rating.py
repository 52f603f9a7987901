"""The widget that asks a rater: images, buttons and keys, in JupyterLab and Voila.

    rate(study.open_session("control", rater="r01"))

What happens is `smislib.study.Sitting`; here is only how it looks. Images that are shown for a second come and go by a CSS
animation in the browser, so neither the network nor a busy kernel lengthens the second, and no thread or timer runs here.
"""

import base64
import html

import ipywidgets as widgets

from ..study import Session, Sitting, Trial
from ..study.sitting import LEAD

STYLE = "<style>@keyframes smis-exposure { from, to { visibility: visible } }</style>"
WIDTH = 256  # pixels of an image on the screen


def rate(session: Session) -> widgets.VBox:
    """One widget that takes a session from where it is to its end. A click answers, and so does a key in the field below.

    Each answer is on the disk before the next trial appears; closing the page loses nothing. Without a browser it only waits.
    """
    sitting, protocol = Sitting(session), session.study.protocol
    progress, pictures, message = (widgets.HTML() for _ in range(3))
    go = widgets.Button(button_style="primary")
    buttons = [
        widgets.Button(description=f"{answer} ({key})", tooltip=f"key {key}")
        for answer, key in zip(protocol.answers, protocol.keys, strict=True)
    ]
    keys = widgets.Text(placeholder=f"keys: {' / '.join(protocol.keys)}", continuous_update=True, layout={"width": "9em"})
    question = widgets.HTML(f"<b>{protocol.question}</b>{_rules(session)}")
    on_screen: list[Trial] = []

    def show() -> None:
        stage, trial = sitting.stage, sitting.trial
        progress.value = sitting.progress
        message.value = html.escape(sitting.message)
        go.description = "Next" if stage == "feedback" else "Continue" if session.answers else "Begin"
        go.layout.display = "" if stage in ("ready", "feedback") else "none"
        for part in (*buttons, keys):
            part.disabled = stage == "done" or (stage != "trial" and part is not keys)
        if stage != "trial":
            pictures.value, on_screen[:] = "", []
        elif trial and on_screen != [trial]:  # the same HTML again would start the exposure again
            pictures.value, on_screen[:] = picture_html(trial, protocol.display_seconds), [trial]

    def press(key: dict) -> None:
        if key["new"]:
            keys.value = ""
            sitting.key(key["new"][-1].lower())
            show()

    def proceed(_: widgets.Button) -> None:
        sitting.proceed()
        show()
        keys.focus()

    def answer(i: int) -> None:
        sitting.answer(protocol.answers[i])
        show()

    go.on_click(proceed)
    for i, button in enumerate(buttons):
        button.on_click(lambda _, i=i: answer(i))
    keys.observe(press, "value")
    show()
    return widgets.VBox([question, progress, pictures, widgets.HBox([go, *buttons, keys]), message])


def picture_html(trial: Trial, seconds: float | None) -> str:
    """The pictures of a trial side by side, within the page: for `seconds` after `LEAD`, or for good where that is None."""
    timed = "" if seconds is None else f"visibility:hidden;animation:smis-exposure {seconds}s {LEAD}s"
    images = [
        f'<img width="{WIDTH}" style="margin:4px;{timed}" src="data:image/png;base64,{code}">'
        for code in (base64.b64encode(path.read_bytes()).decode() for path in trial.pictures)
    ]
    return f'{STYLE}<div id="trial-{trial.number}" style="min-height:{WIDTH // 2}px">{"".join(images)}</div>'


def _rules(session: Session) -> str:
    protocol = session.study.protocol
    if protocol.display_seconds is None:
        return " The first picture is their label map, a colour for each class. Take the time that you need."
    return (
        f" One of two is real. They are shown for {protocol.display_seconds:g} s; answer when they are gone, in any time. "
        f"{protocol.practice} trials are for practice and tell you what was right."
    )
