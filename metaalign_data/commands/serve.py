"""simulate-server: the simulated teacher for any OpenAI client."""

import argparse
import asyncio
import contextlib
import json

from pydantic import ValidationError

from metaalign_data.errors import UserError
from metaalign_data.recipe import parse_overrides
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.simulated.server import serve


def simulate_server(args: argparse.Namespace) -> int:
    try:
        config = SimulatedTeacher.Config.model_validate(parse_overrides(args.set))
    except ValidationError as e:
        raise UserError("; ".join(f"--set {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in e.errors())) from e

    def ready(port: int) -> None:
        url = f"http://127.0.0.1:{port}/v1"
        print(json.dumps({"base_url": url}) if args.json else f"listening on {url} (Ctrl-C stops it)", flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(config, port=args.port, on_ready=ready))
    return 0
