"""After the fact: what became of a run, and what can be done about it."""

from metaalign_data.arguments.commands import Commands, with_run, with_trust


def add(commands: Commands) -> None:
    inspect = with_run(
        commands.add("inspect", "inspect:inspect", "show one row: what it was made of, and what was asked")
    )
    inspect.add_argument("row", help="id of a row, or its first digits; rejects and failures have ids too")

    again = with_run(commands.add("retry-failed", "after:retry_failed", "ask anew what gave a run no usable answer"))
    with_trust(again)

    doctor = with_run(
        commands.add("doctor", "after:doctor", "check a run directory, and say what can be saved and how")
    )
    doctor.add_argument("--salvage", metavar="FILE", help="copy every answer that is whole into a new ledger")

    commands.add("schema", "after:schema", "print the JSON Schema of a recipe, for editors")
