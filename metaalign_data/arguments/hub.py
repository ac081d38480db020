"""The Hugging Face Hub."""

from metaalign_data.arguments.commands import Commands, with_run


def add(commands: Commands) -> None:
    push = with_run(commands.add("push", "push:push", "push the dataset of a run to the Hub, in one commit"))
    push.add_argument("repo", metavar="USER/NAME", help="the repository; made where it is missing")
    push.add_argument("--private", action="store_true", help="for nobody else to see")
    push.add_argument("--revision", default="main", metavar="BRANCH", help="made where it is missing (default: main)")
    push.add_argument("--create-pr", action="store_true", help="as a pull request against main")
    push.add_argument("--dry-run", action="store_true", help="send nothing: show files, sizes, what changes, the card")
    push.add_argument("--allow-simulated", action="store_true", help="publish what no language model wrote")
    push.add_argument(
        "--allow-personal-data", action="store_true", help="publish e-mail addresses and telephone numbers"
    )
    push.add_argument(
        "--allow-secret",
        action="append",
        default=[],
        metavar="FINGERPRINT",
        help="publish a text that looks like a key and is none; repeat for more",
    )

    diff = commands.add("diff", "diff:diff", "compare two versions of a dataset: rows and figures")
    for name, which in (("a", "the older one"), ("b", "the newer one")):
        diff.add_argument(name, metavar=name.upper(), help=f"{which}: a run directory, or USER/NAME[@REVISION]")
