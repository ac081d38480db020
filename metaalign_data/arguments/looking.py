"""What a run holds and whether it is any good."""

from metaalign_data.arguments.commands import Commands, positive, share, with_run, with_set, with_trust


def add(commands: Commands) -> None:
    audit = with_run(commands.add("audit", "audit:audit", "measure whether a dataset can be solved without reading it"))
    audit.add_argument(
        "--sample",
        type=positive,
        default=300,
        metavar="N",
        help="comparisons that the judge guesses at (default: 300)",
    )
    audit.add_argument("--no-judge", action="store_true", help="ask the judge nothing")

    with_run(commands.add("report", "report:report", "write report.html: the run, its audit and some rows, to look at"))

    similar = with_run(commands.add("similar", "similar:similar", "show the rows of a run that are nearest to a text"))
    similar.add_argument("text", help="what to look for")
    similar.add_argument(
        "--on", choices=("query", "preference", "chosen"), default="query", help="column to compare (default: query)"
    )
    similar.add_argument("-k", type=positive, default=10, metavar="N", help="rows to show (default: 10)")

    calibrate = commands.add(
        "calibrate", "calibrate:calibrate", "measure the judge against pairs that people have labelled"
    )
    calibrate.add_argument("--gold", required=True, metavar="FILE", help=".jsonl, .csv or .parquet with labelled pairs")
    calibrate.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="where the columns are not system_info, user_info, query, a, b, label; nothing after = for none",
    )
    calibrate.add_argument("--recipe", help="whose judge is measured: a recipe file or the name of a bundled one")
    calibrate.add_argument("--judge-model", metavar="MODEL", help="another judge, by the name that its server knows")
    with_set(calibrate)
    calibrate.add_argument("--limit", type=positive, metavar="N", help="take at most N pairs")
    calibrate.add_argument("--target", type=share, default=0.95, help="accuracy to reach (default: 0.95)")
    calibrate.add_argument("--simulate", action="store_true", help="a simulated judge: free, offline")
    with_trust(calibrate)
    calibrate.add_argument(
        "--out", metavar="DIR", help="directory of the ledger and calibration.json (default: runs/NAME-calibration)"
    )
