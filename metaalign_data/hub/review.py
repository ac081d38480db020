"""What speaks against publishing the dataset of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError
from metaalign_data.hub.cards import CARD, Fields
from metaalign_data.hub.licences import contradictions, doubts
from metaalign_data.hub.plan import Plan, named
from metaalign_data.hub.scan import Finding, scan, texts_of

FINDINGS_SHOWN = 20


@dataclass(frozen=True)
class Allowed:
    """What the user takes responsibility for. `secrets` are fingerprints of findings that are none."""

    simulated: bool = False
    personal_data: bool = False
    secrets: frozenset[str] = field(default=frozenset())

    def covers(self, finding: Finding) -> bool:
        if finding.kind == "secret":
            return finding.fingerprint in self.secrets
        return self.personal_data


@dataclass(frozen=True)
class Review:
    """`refusals` are sentences; `findings` are what the texts hold and nobody has allowed; `sources` are those of the
    queries, with their licences. `notices` are for the user to know; they keep nothing back.
    """

    refusals: Sequence[str]
    findings: Sequence[Finding]
    sources: Mapping[str, Sequence[str]]
    notices: Sequence[str] = ()

    def refuse(self, where: str) -> None:
        """Raises UserError where anything speaks against it."""
        if self.refusals:
            raise UserError("\n".join(f"{where}: {refusal}" for refusal in self.refusals))


def review_run(root: Path, allowed: Allowed) -> Review:
    """Of a run that has made a dataset. Raises UserError where there is none."""
    manifest = read_manifest(root / "manifest.json")
    if manifest.get("dataset") is None:
        what = f"the run has made no dataset ({manifest['state']}: {manifest.get('verdict', '')})"
        raise UserError(what, where=str(root), fix="run its recipe to the end")
    if (sources := manifest.get("sources")) is None:
        what = "was made before runs kept the licences of their sources"
        raise UserError(what, where=str(root), fix="run its recipe again: nothing is asked twice")
    folder = RunFolder(root)
    findings = [finding for finding in scan(texts_of(_tables(folder.dataset))) if not allowed.covers(finding)]
    refusals = []
    if manifest["simulated"] and not allowed.simulated:
        refusals.append("its responses are simulated, not a model's; --allow-simulated publishes them, named so")
    if findings:
        refusals.append(_told(findings))
    return Review(refusals, findings, sources)


def check_card(fields: Fields, sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Why the licence that the card names contradicts those of its sources."""
    asked = [name for names in sources.values() for name in names]
    return [f"{why} (dataset.license)" for licence in _licences(fields) for why in contradictions(licence, asked)]


def licence_doubts(fields: Fields, sources: Mapping[str, Sequence[str]]) -> list[str]:
    """What of the licences is not known, or cannot be compared."""
    asked = [name for names in sources.values() for name in names]
    told = [doubt for licence in _licences(fields) for doubt in doubts(licence, asked)]
    unknown = [source for source, names in sources.items() if not names]
    return told + [f"the licence of {source} is not known: say it in queries.license" for source in unknown]


def strangers(plan: Plan) -> list[str]:
    """Other people's files that would be read as rows of this dataset."""
    configs = plan.card.fields.get("configs", ()) if plan.card else ()
    patterns = [file["path"] for config in configs for file in config["data_files"]]
    return [path for path in plan.kept if any(fnmatch(path, pattern) for pattern in patterns)]


def approve(plan: Plan, sources: Mapping[str, Sequence[str]], repo: str) -> None:
    """Raises UserError where what the repository would hold, with what is kept of it, must not be."""
    fields: Fields = plan.card.fields if plan.card else {}
    if why := check_card(fields, sources):
        raise UserError("; ".join(why), where=repo)
    if others := strangers(plan):
        what = f"others put {named(others)} there, which would be read as rows of this dataset"
        raise UserError(what, where=repo, fix="move these files")


def _licences(fields: Fields) -> list[str | None]:
    return [str(licence) for licence in _listed(fields.get("license"))] or [None]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _tables(dataset: Path) -> dict[str, pl.DataFrame]:
    """The rows of each config, and the card."""
    try:
        configs = sorted(path.name for path in dataset.iterdir() if any(path.glob("*.parquet")))
        tables = {config: pl.read_parquet(sorted((dataset / config).glob("*.parquet"))) for config in configs}
        card = (dataset / CARD).read_text(encoding="utf-8")
    except (OSError, pl.exceptions.PolarsError) as e:
        raise UserError(f"cannot be read: {e}", where=str(dataset)) from e
    return {**tables, "the card": pl.DataFrame({"id": [CARD], "text": [card]})}


def _told(findings: Sequence[Finding]) -> str:
    shown = "\n".join(f"  {finding}" for finding in findings[:FINDINGS_SHOWN])
    more = len(findings) - FINDINGS_SHOWN
    ways = []
    if any(finding.kind == "secret" for finding in findings):
        ways.append("--allow-secret FINGERPRINT for what is no secret")
    if any(finding.kind != "secret" for finding in findings):
        ways.append("--allow-personal-data for what may be published")
    rows = f"{len(findings)} texts that must not be published unseen: {'; '.join(ways)}"
    return f"holds {rows}\n{shown}" + (f"\n  and {more} more" if more > 0 else "")
