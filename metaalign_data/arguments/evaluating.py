"""What a trained model is worth."""

from metaalign_data.arguments.commands import Commands, positive


def add(commands: Commands) -> None:
    evaluate = commands.add(
        "evaluate", "evaluate:evaluate", "measure whether a model follows preferences, flips above all"
    )
    evaluate.add_argument("model", help="a model folder, or a model on the Hub")
    evaluate.add_argument("--data", required=True, metavar="DATASET", help="a run, a dataset folder, or a Hub dataset")
    evaluate.add_argument(
        "--baseline", action="append", default=[], metavar="MODEL", help="hold it against this one; repeat for more"
    )
    evaluate.add_argument(
        "--split",
        action="append",
        metavar="SPLIT",
        help="rows of this split; repeat for more (default: all test splits)",
    )
    evaluate.add_argument("--limit", type=positive, metavar="N", help="take at most N rows of a split, flips whole")
    evaluate.add_argument(
        "--measure",
        choices=("sum", "mean", "reward"),
        default="sum",
        help="which answer is ahead: by log-probability, by its mean over tokens, or over --reference (default: sum)",
    )
    evaluate.add_argument("--reference", metavar="MODEL", help="the model that rewards are measured against")
    evaluate.add_argument(
        "--benchmark",
        metavar="MAPPING",
        help="--data is a benchmark of the field with these columns: a .yaml file, or rpr, multifaceted-bench, "
        "prefeval, personamem, personal-preference-eval, p-soups, rewardbench-2",
    )
    evaluate.add_argument(
        "--judge",
        metavar="RECIPE",
        help="let this recipe's judges compare generated answers with each baseline's, or apply a benchmark's rubrics",
    )
    evaluate.add_argument("--simulate", action="store_true", help="a simulated judge: free, offline")
    evaluate.add_argument(
        "--questions",
        type=positive,
        default=100,
        metavar="N",
        help="prompts that are answered for --judge, from all splits (default: 100)",
    )
    evaluate.add_argument("--temperature", type=float, default=0.7, help="of these answers (default: 0.7)")
    evaluate.add_argument(
        "--max-new-tokens", type=positive, default=512, metavar="N", help="longest of these answers (default: 512)"
    )
    evaluate.add_argument("--no-meta-prompt", action="store_true", help="show the models the query alone")
    evaluate.add_argument(
        "--max-length", type=positive, default=2048, metavar="TOKENS", help="longer rows are left out"
    )
    evaluate.add_argument(
        "--seed", type=int, default=0, help="of resampling, drawn answers and the order of options (default: 0)"
    )
    evaluate.add_argument(
        "--out", metavar="DIR", default="evaluation", help="where evaluation.json and .png go (default: evaluation)"
    )

    chat = commands.add("chat", "chat:chat", "ask a model the same under several meta-prompts, side by side")
    chat.add_argument("model", help="a model folder, or a model on the Hub")
    chat.add_argument(
        "--as",
        dest="tiers",
        action="append",
        metavar="SYSTEM|USER",
        help="System Info, then User Info after a |, either may be empty; repeat for more (default: none)",
    )
    chat.add_argument("--ask", metavar="QUESTION", help="ask this and end (default: ask on the terminal)")
    chat.add_argument("--max-new-tokens", type=positive, default=256, metavar="N", help="longest answer (default: 256)")
    chat.add_argument(
        "--temperature", type=float, default=0.0, help="0 takes the likeliest token, higher draws (default: 0)"
    )
    chat.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
