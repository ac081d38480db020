"""Beside a run: tables, formats, the catalogue, a server."""

from metaalign_data.arguments.commands import Commands, with_run


def add(commands: Commands) -> None:
    dedup = commands.add(
        "dedup", "dedup:dedup", "drop the duplicates of any .parquet, .jsonl or .csv file, and say of what"
    )
    dedup.add_argument("file", help="a table")
    dedup.add_argument("--on", required=True, action="append", metavar="COLUMN", help="compare this; repeat for more")
    dedup.add_argument("--keep", metavar="COLUMN", help="of duplicates, the row with the highest value here stays")
    dedup.add_argument("--per", metavar="COLUMN", help="compare only rows that agree in this column")
    dedup.add_argument(
        "--id", metavar="COLUMN", help="names the rows (default: id where it does, else their numbers, from 1)"
    )
    dedup.add_argument("--rules", metavar="LIST", help="of exact,lexical,semantic (default: all three)")
    dedup.add_argument("--threshold", metavar="COSINE", help="from which rows are duplicates (default: 0.92)")
    dedup.add_argument("--lexical-threshold", metavar="SHARE", help="of three-word sequences (default: 0.8)")
    dedup.add_argument("--embedder", metavar="NAME", help="hashed-ngrams (default), or a sentence-transformers model")
    dedup.add_argument("--base-url", metavar="URL", help="ask this server for the embeddings of the model --embedder")
    dedup.add_argument("--vectors", metavar="FILE", help="keep the vectors of a model here, for the next time")
    dedup.add_argument("--out", metavar="FILE", help="the kept rows (default: FILE.kept.parquet, .jsonl or .csv)")
    dedup.add_argument("--rejects", metavar="FILE", help="the dropped rows, with duplicate_of, similarity and rule")

    export = with_run(commands.add("export", "files:export", "write the dataset in another format"))
    export.add_argument(
        "--format", required=True, help="jsonl, trl, trl-standard, sft, axolotl, llama-factory or openrlhf"
    )
    export.add_argument("--out", required=True, metavar="DIR", help="folder to write to")

    stages = commands.add("stages", "catalog:stages", "list the stages, or the settings of one")
    stages.add_argument("name", nargs="?", help="a stage")

    prompts = commands.add("prompts", "catalog:prompts", "list the prompts, or print one")
    prompts.add_argument("name", nargs="?", help="a prompt")
    prompts.add_argument("--recipe", help="look in this recipe's prompts/ folder first")

    server = commands.add(
        "simulate-server", "serve:simulate_server", "serve the simulated teacher over the OpenAI protocol on loopback"
    )
    server.add_argument("--port", type=int, default=8000, help="0 picks a free one (default: 8000)")
    server.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as faults.latency_ms=200"
    )
