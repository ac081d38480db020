"""report: a finished run as a page for people."""

import argparse
import json
from pathlib import Path

from metaalign_data.report.audit import audit_run, stored_audit
from metaalign_data.report.page import write_report
from metaalign_data.report.rows import read_run


def report(args: argparse.Namespace) -> int:
    """Takes the audit that was written of these rows; where there is none, one that asks the judge nothing."""
    run = read_run(Path(args.run))
    audit = stored_audit(run) or audit_run(Path(args.run), sample=0, ask_judge=False)
    path = write_report(run, audit)
    if args.json:
        print(json.dumps({"report": str(path)}))
    else:
        print(f"wrote {path}")
    return 0
