"""A dataset, from a recipe to a finished run."""

from metaalign_data.arguments.commands import Commands, positive, with_out, with_recipe, with_run


def add(commands: Commands) -> None:
    init = commands.add("init", "files:init", "write a commented recipe to start from")
    init.add_argument("file", nargs="?", default="recipe.yaml", help="where to write it (default: recipe.yaml)")
    init.add_argument(
        "--from", dest="source", default="metaalign", metavar="NAME", help="bundled recipe to copy (default: metaalign)"
    )

    with_recipe(
        commands.add("validate", "check:validate", "check everything that can be checked before a cent is spent")
    )

    estimate = with_recipe(
        commands.add("estimate", "check:estimate", "predict calls, tokens and cost from a small sample")
    )
    estimate.add_argument("--sample", type=positive, default=20, metavar="N", help="queries to try (default: 20)")
    estimate.add_argument(
        "--real", action="store_true", help="ask the recipe's models about the sample; the run uses their answers"
    )
    with_out(estimate)

    preview = with_out(
        with_recipe(commands.add("preview", "run:preview", "run the first few queries for real and show the rows"))
    )
    preview.set_defaults(limit=3)

    run = with_out(
        with_recipe(commands.add("run", "run:run", "make the dataset; the same command again resumes or replays"))
    )
    run.add_argument("--show", type=positive, metavar="N", help="show N rows of the result")
    run.add_argument("--serial", action="store_true", help="one request at a time, in a fixed order, for debugging")
    run.add_argument("-y", "--yes", action="store_true", help="go on with a changed recipe without being asked")
    run.add_argument("-v", "--verbose", action="store_true", help="show each reject and failure reason with an example")

    with_run(commands.add("status", "run:status", "say how a run stands: rows, reasons, cost"))
