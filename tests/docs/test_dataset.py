"""docs/dataset.md says what the code says."""

import re
from pathlib import Path

from metaalign_data.dataset.columns import columns_told
from metaalign_data.dataset.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs/dataset.md"
BEGIN, END = "<!-- columns -->\n", "<!-- end of columns -->"


def test_the_columns_are_those_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0] == f"{columns_told()}\n"


def test_every_format_is_told() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## For other trainers")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE) == list(FORMATS)
