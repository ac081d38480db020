"""Two endpoints that write and judge, one of which goes down: no row is lost, and the run goes on without it."""

import json
import time
from pathlib import Path

from commands import metaalign_data, start
from counting_server import counting_server


def test_a_run_of_which_one_endpoint_goes_down_ends_and_resumes_without_it(tmp_path: Path) -> None:
    with counting_server(latency_s=0.01) as stays:
        with counting_server(latency_s=0.01) as goes:
            teachers = [
                {"model": "simulated", "base_url": each.base_url, "price": {"input": 1, "output": 2}}
                for each in (stays, goes)
            ]
            recipe = tmp_path / "recipe.yaml"
            recipe.write_text(
                json.dumps({"name": "two", "teacher": teachers, "queries": {"source": "bundled", "limit": 8}})
            )
            process = start("run", recipe, "--out", "run", cwd=tmp_path)
            while goes.asked.total() < 40:
                assert process.poll() is None, process.communicate()
                time.sleep(0.005)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        counts = json.loads((tmp_path / "run/manifest.json").read_text())["counts"]
        assert [c["failed"] for c in counts.values()] == [0] * len(counts)
        more = metaalign_data("run", recipe, "--out", "run", "--set", "queries.limit=9", cwd=tmp_path).check()
        assert "does not answer" in more.err
        assert "others stand in for it" in more.err
