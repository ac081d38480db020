"""Fresh virtual environments, for tests that install the package the way its users do."""

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CONSTRAINTS = CHECKOUT / "constraints.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip: packages are put in from outside."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Environment":
        venv.create(root, symlinks=os.name != "nt")
        return cls(root)

    @property
    def site_packages(self) -> Path:
        return self._path("purelib")

    def script(self, name: str) -> Path:
        return self._path("scripts") / name

    def borrow(self) -> None:
        """Let this environment import what the running one has, so that only the package under test is installed.

        An editable install of the running environment stays its own: the .pth files of a borrowed folder are not read.
        """
        (self.site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))

    def install(self, *args: str | Path) -> None:
        run([sys.executable, "-m", "pip", "--python", self.root, "install", "--quiet", *args], cwd=self.root).check()

    def python(self, code: str, *, cwd: Path) -> "Done":
        return run([self.script("python"), "-c", code], cwd=cwd)

    def metaalign_data(self, *args: str | Path, cwd: Path) -> "Done":
        """The installed command."""
        return run([self.script("metaalign-data"), *args], cwd=cwd)

    def _path(self, kind: str) -> Path:
        base = str(self.root)
        return Path(sysconfig.get_path(kind, scheme="venv", vars={"base": base, "platbase": base}))


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    def check(self) -> "Done":
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


def run(command: list[str | Path], *, cwd: Path, timeout_s: float = 300) -> Done:
    """Run to the end, free of the running environment; pip and build take the versions of constraints.txt."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    env |= {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s)
    return Done(done.returncode, done.stdout, done.stderr)
