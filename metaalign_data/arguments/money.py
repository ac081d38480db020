"""Batches that are paid for and pending, and who may see a key."""

from metaalign_data.arguments.commands import Commands, with_run


def add(commands: Commands) -> None:
    batches = with_run(commands.add("batches", "money:batches", "list the batches of a run that are pending"))
    batches.add_argument("--forget", metavar="ID", help="give this batch up: its requests are asked (and paid) again")

    trust = commands.add("trust", "money:trust", "allow a key to be sent to a server; asked for once for each")
    trust.add_argument("key", nargs="?", help="the environment variable that holds the key, such as MY_SERVER_KEY")
    trust.add_argument("host", nargs="?", help="the host that may be sent it, such as llm.example.org")
