"""The ledger: every claim of the five papers in one sentence, with what our records say of it. `smis claims`, notebook 17.

A claim is a value (`logic.Claim`) of its paper's module, which the tables of statements are made from too. Its test sees the
cells of one data set and says yes, no, or that the intervals leave it open; what the test looked up is what the claim
needs, and what the ledger shows. So nobody types a verdict, and another record is another verdict. A new claim:

    Claim("smis", "Table 1", "VSPADE has a better FID than DSCGAN", "mannequins",
          *comparing(("vspade", BETTER, "dscgan"), metrics=("FID",)))
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import papers, presets, results, study
from ..metrics import METRICS
from ..models import MODELS
from ..results import Cell, Record
from . import gaugan, oasis, pix2pix, s3gan, smis
from .logic import FAR, MARGIN, OUTCOMES, VERDICTS, Cells, Claim, Truth, estimate
from .reasons import REASONS

STUDIES = tuple(protocol.metric for protocol in study.NAMES.values())  # what only people can say
NAME = "claims"  # of the ledger's files
REASONS_NOTE = (
    "A reason is ours, and tested as a claim is: met where our records bear it out; not decidable where they leave it open or "
    "where it is none of their metrics."
)


class Consulted(Mapping):
    """The cells of some records, each made when a test asks for it; `asked` says for which it did (None: no record)."""

    def __init__(self, records: Sequence[Record]):
        self.records, self.asked = collections.defaultdict(list), {}
        for record in records:
            self.records[record.model, record.metric].append(record)

    def __getitem__(self, key: tuple[str, str]) -> Cell:
        if key not in self.asked:
            model, metric = key
            self.asked[key] = results.cells(self.records.get(key, []), [model], [metric]).get(key)
        if self.asked[key] is None:
            raise KeyError(key)
        return self.asked[key]

    def __contains__(self, key: object) -> bool:
        return key in self.records

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Finding:
    """A claim, the cells that its test looked up (None: no record), and what it says."""

    claim: Claim
    data: str  # where it was tested: the claim's own data set, or the folder in its place
    cells: dict[tuple[str, str], Cell | None]
    truth: Truth

    @property
    def verdict(self) -> str:
        """reproduced, not reproduced, or not decidable."""
        return VERDICTS[self.truth]

    @property
    def measured(self) -> Cells:
        """The cells that have records."""
        return {key: cell for key, cell in self.cells.items() if cell}

    @property
    def seeds(self) -> str:
        """How many seeds the values are over: one number, or from the fewest to the most; "–" without any."""
        counts = sorted({cell.seeds for cell in self.measured.values()})
        return " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else "–"

    @property
    def found(self) -> str:
        """Metric by metric each value with its 95 % interval; what has no record is "not run", or "no study"."""
        parts = collections.defaultdict(list)
        for (model, metric), cell in self.cells.items():
            known = estimate(self.measured, metric, model)
            shown = known or (f"{cell} (no interval)" if cell else "no study" if metric in STUDIES else "not run")
            parts[metric].append(f"{MODELS[model].title} {shown}")
        return "; ".join(f"{metric}: {', '.join(of)}" for metric, of in parts.items())


def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the papers."""
    return tuple(claim for module in (smis, pix2pix, gaugan, oasis, s3gan) for claim in module.claims())


def check(claim: Claim, records: Sequence[Record], data: str | None = None, suffix: str = "") -> Finding:
    """A claim tested on records of one data set and one preset. `suffix` of metrics on a backbone, e.g. "[embedded]".

    As any table raises SmisError where it would compare records of different protocols.
    """
    cells = Consulted(results.in_reading(records, claim.reading))
    truth = claim.test(cells, lambda metric: metric + suffix if metric + suffix in METRICS else metric)
    models, metrics = ({key[place] for key in cells.asked} for place in (0, 1))
    results.cells([r for cell in cells.asked.values() if cell for r in cell.records], sorted(models), sorted(metrics))
    return Finding(claim, data or claim.data, cells.asked, truth)


def ledger(preset: str) -> list[Finding]:
    """Every claim, on the records of the store and, of what it has not measured, on those committed with the library.

    Where DATA_ROOT has folders, on those in the place of our drawings (`presets.place`).
    """
    return _checked(claims(), preset)


def _checked(claims: Sequence[Claim], preset: str) -> list[Finding]:
    committed = results.committed()
    known: dict[str, tuple[list[Record], str]] = {}
    findings = []
    for claim in claims:
        name, root = presets.place(claim.data) or (claim.data, None)
        if name not in known:
            known[name] = _records(name, root, preset, committed)
        findings.append(check(claim, known[name][0], name, known[name][1]))
    return findings


def _records(name: str, root: str | None, preset: str, committed: Sequence[Record]) -> tuple[list[Record], str]:
    """The records of a data set, with those of human studies; and the suffix of its metrics."""
    records, _ = results.with_committed(results.of_runs(name, preset), name, preset, committed)
    trained = dict.fromkeys((r.model, r.seed) for r in records)
    rated = [presets.experiment(model, name, preset, seed, root) for model, seed in trained]
    records += [record for metric in STUDIES for record in study.records(metric, rated)]
    return records, "[embedded]" if presets.evaluation(name, preset).backbone == "embedded" else ""


def table(findings: Sequence[Finding], preset: str) -> pd.DataFrame:
    """A row for each claim, by its number: paper, claim, verdict, where, tested as, data, found, seeds, preset."""
    rows = {}
    for number, f in _numbered(findings):
        rows[number] = {
            "paper": papers.CITED[f.claim.paper][0],
            "claim": f.claim.sentence,
            "verdict": f.verdict,
            "where": f.claim.where,
            "tested as": f.claim.tested_as,
            "data": f.data,
            "found": f.found,
            "seeds": f.seeds,
            "preset": preset,
        }
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="number"))


def _numbered(findings: Sequence[Finding]) -> Iterator[tuple[str, Finding]]:
    """Findings by the number of their claim: that of its paper, from 1."""
    count = collections.Counter()
    for f in findings:
        count[f.claim.paper] += 1
        yield f"{f.claim.paper}-{count[f.claim.paper]:02d}", f


def unmet(findings: Sequence[Finding], preset: str) -> pd.DataFrame:
    """A row for each claim that is not reproduced, by its number: claim, because, tested as, found, outcome.

    A reason is a claim too, tested on the records of its data set: "met" where they bear it out. A claim for which `reasons`
    has none is there with "not known".
    """
    failed = {number: f.claim for number, f in _numbered(findings) if f.truth is False}
    known = {number: REASONS[key] for number, c in failed.items() if (key := (c.paper, c.text)) in REASONS}
    tested = dict(zip(known, _checked(list(known.values()), preset), strict=True))
    rows = []
    for number, claim in failed.items():
        reason = tested.get(number)
        rows.append(
            {
                "claim": claim.sentence,
                "because": reason.claim.sentence if reason else "not known",
                "tested as": reason.claim.tested_as if reason else "–",
                "found": reason.found if reason else "–",
                "outcome": OUTCOMES[reason.truth if reason else None],
            }
        )
    columns = ["claim", "because", "tested as", "found", "outcome"]
    return pd.DataFrame(rows, index=pd.Index(failed, name="number"), columns=columns)


def summary(findings: Sequence[Finding]) -> pd.DataFrame:
    """Paper by paper, and in all: claims, how many have each verdict, and the share reproduced of those that are decided."""
    rows = {
        short: collections.Counter(f.verdict for f in findings if f.claim.paper == name)
        for name, (short, _, _) in papers.CITED.items()
    }
    rows["all"] = sum(rows.values(), collections.Counter())
    lines = {}
    for short, of in rows.items():
        decided = of[VERDICTS[True]] + of[VERDICTS[False]]
        share = f"{of[VERDICTS[True]]} of {decided} ({of[VERDICTS[True]] / decided:.0%})" if decided else "–"
        lines[short] = {"claims": of.total(), **{v: of[v] for v in VERDICTS.values()}, "reproduced of the decided": share}
    return pd.DataFrame(lines).T.rename_axis("paper")


def caption(findings: Sequence[Finding], preset: str) -> str:
    """What the ledger is, and what its verdicts mean."""
    trained = {r.experiment for f in findings for cell in f.measured.values() for r in cell.records}
    return (
        f"The claims of the papers, preset {preset}. {len(findings)} claims, on records of {len(trained)} trainings. Brackets: "
        "95 % interval, a bootstrap over test images, widened by Student's t over seeds where there are several. A comparison is "
        "decided where the interval of the quotient leaves out 1, or what the claim asks of it; no worse, or level, mean by less "
        f"than {MARGIN:.0%}, far better by more than {FAR} times. Else, or where a record or an interval is missing, it is not "
        "decidable. One training does not tell how another would have gone. The settings of demo were tuned by hand on a row of "
        "each paper (see README). [embedded] metrics use small shipped networks, on data that stand in for the papers'."
    )


def page(findings: Sequence[Finding], reasons: pd.DataFrame, preset: str) -> str:
    """The ledger as Markdown: the summary, a table for each paper, and the reasons of `unmet`, where there are any."""
    whole = table(findings, preset)
    title, _, note = caption(findings, preset).partition(". ")
    parts = [f"# {title}", note, summary(findings).to_markdown(disable_numparse=True)]
    for name, (short, full, arxiv) in papers.CITED.items():
        mine = whole[whole.index.str.startswith(f"{name}-")].drop(columns="paper")
        parts += [f"## {short}", f"*{full}*, arXiv {arxiv}", mine.to_markdown(disable_numparse=True)]
    if not reasons.empty:
        parts += ["## Not reproduced, and why", REASONS_NOTE, reasons.to_markdown(disable_numparse=True)]
    return "\n\n".join([*parts, f"`smis why {NAME} NUMBER found` leads to the records of a line."]) + "\n"


def save(findings: Sequence[Finding], name: str, preset: str) -> list[Path]:
    """figures/NAME.csv, .tex, and .md, the page; the summary as NAME_by_paper; where there are any, `unmet` as
    NAME_reasons. The files."""
    said, reasons = caption(findings, preset), unmet(findings, preset)
    saved = results.save_table(table(findings, preset), said, name, preset, page=page(findings, reasons, preset))
    saved += results.save_table(summary(findings), f"Verdicts by paper, preset {preset}.", f"{name}_by_paper", preset)
    if not reasons.empty:
        said = f"Claims that are not reproduced, and why, preset {preset}. {REASONS_NOTE}"
        saved += results.save_table(reasons, said, f"{name}_reasons", preset)
    return saved
