"""A model, from a dataset to figures."""

from metaalign_data.arguments.commands import Commands


def add(commands: Commands) -> None:
    train = commands.add("train", "train:train", "train a model on a dataset; the same command again resumes")
    train.add_argument("config", help="a training configuration, or the name of a bundled one such as 'train-sft'")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="change a value of the configuration"
    )
    train.add_argument("--out", metavar="DIR", help="the output directory (default: runs/NAME of the configuration)")
    train.add_argument("--push-to", metavar="OWNER/NAME", help="upload the trained model to the Hugging Face Hub")
    train.add_argument("--private", action="store_true", help="push for nobody else to see")
    train.add_argument(
        "--allow-simulated", action="store_true", help="push also a model that was trained on simulated data"
    )
    train.add_argument("--simulate", action="store_true", help="a simulated judge in place of the configuration's")
