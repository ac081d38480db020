"""python -m metaalign_trainer CONFIG.yaml, or torchrun --nproc-per-node N -m metaalign_trainer CONFIG.yaml.

Exit codes: 0 done; 1 training diverged; 2 bad usage, configuration or data; 130 interrupted (the same command goes on).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metaalign_trainer.config import Config
from metaalign_trainer.errors import Diverged, TrainerError
from metaalign_trainer.stages import train
from metaalign_trainer.stopping import Interrupted
from metaalign_trainer.telling import told


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="metaalign_trainer", description="Train a model on a preference dataset.")
    parser.add_argument("config", type=Path, help="a training configuration")
    parser.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="change a value of it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the output directory (default: runs/NAME)")
    args = parser.parse_args(argv)
    try:
        config = Config.load(args.config, args.set)
        summary = train(config, args.out or Path("runs") / config.name)
    except TrainerError as e:
        print(f"error: {e}" if "\n" not in str(e) else str(e), file=sys.stderr)
        return 1 if isinstance(e, Diverged) else 2
    except Interrupted as e:
        print(f"{e}; the same command goes on", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        return 130
    if summary:
        print(*told(summary), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
