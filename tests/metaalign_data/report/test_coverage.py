from metaalign_data.chat import Message
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.prompting import Library
from metaalign_data.report.coverage import cells_of, coverage, matrix_coverage, standings
from metaalign_data.taxonomy import Taxonomy
from rows import pair
from runs import frame


def dimension(name: str, *values: str, kinds: tuple[str, ...] = ()) -> dict:
    return {"name": name, "area": "x", "kinds": kinds, "values": [{"name": v, "meaning": v} for v in values]}


TAXONOMY = Taxonomy.model_validate(
    {
        "id": "small",
        "styles": ["plain"],
        "query_kinds": [{"name": "cooking", "words": ["bread"]}, {"name": "code", "words": ["python"]}],
        "dimensions": [dimension("length", "brief", "thorough"), dimension("tone", "warm", "dry", kinds=("cooking",))],
    }
)
MATRIX: PriorityMatrix = Library().priorities("default")


def rows(*cells: tuple[str, str], **fields: object) -> list:
    return [
        pair(dimension=dimension, value=value, user_info=f"{i}", **fields) for i, (dimension, value) in enumerate(cells)
    ]


def test_a_composed_preference_counts_for_each_of_its_cells() -> None:
    cells = cells_of(frame(rows(("length + tone", "brief + warm"), ("tone", "dry"))), TAXONOMY)
    assert cells.select("dimension", "value").rows() == [("length", "brief"), ("tone", "warm"), ("tone", "dry")]


def test_a_name_with_a_plus_in_it_is_left_whole() -> None:
    cells = cells_of(frame(rows(("C + C++", "yes"))), TAXONOMY)
    assert cells.select("dimension", "value").rows() == [("C + C++", "yes")]


def test_coverage_counts_the_cells_that_are_possible_and_those_that_have_a_row() -> None:
    given = [
        *rows(("length", "brief"), ("length", "brief"), ("tone", "warm"), query="How to bake bread?"),
        *rows(("length", "thorough"), query="How to sort in python?", subset="priority"),
        *rows(("axis", "background"), query="What do people owe?", subset="consensus"),
    ]
    found = coverage(frame(given), TAXONOMY)
    assert found["cells"] == {"possible": 4, "covered": 3, "share": 0.75}
    assert found["cells_by_subset"] == {"possible": 8, "covered": 3, "share": 0.375}
    assert found["cells_by_kind"] == {"possible": 4 + 2, "covered": 3, "share": 0.5}
    assert [(row["dimension"], row["value"], row["rows"]) for row in found["rows"]] == [
        ("length", "brief", 2),
        ("length", "thorough", 1),
        ("tone", "warm", 1),
        ("tone", "dry", 0),
    ]
    assert found["rows"][1]["by_subset"] == {"priority": 1, "helpful": 0, "consensus": 0, "diverse_opinion": 0}
    assert (found["least"][0]["value"], found["most"][0]["value"]) == ("dry", "brief")
    assert found["elsewhere"] == {"axis": 1}


def test_a_dataset_outside_the_taxonomy_covers_nothing_of_it() -> None:
    found = coverage(frame(rows(("axis", "background"))), TAXONOMY)
    assert found["cells"]["covered"] == 0
    assert found["cells_by_subset"] == {"possible": 0, "covered": 0, "share": None}


def test_rows_are_counted_by_what_the_wish_is_to_the_rule_and_without_a_meta_prompt_apart() -> None:
    bare = {"prompt": [Message(role="user", content="How?")], "user_info": ""}
    given = [
        pair(query="1", matrix_cell="harmless/user_first/conflicts"),
        pair(query="2", matrix_cell="harmless/user_first/conflicts"),
        pair(query="3", matrix_cell="harmless/none/agrees"),
        pair(query="4", matrix_cell="harmful/safety_first/silent"),
        pair(query="5", matrix_cell="harmless/none/alone"),
        pair(query="6", matrix_cell="harmful/none/alone", **bare),
        pair(query="7", **bare),
        pair(query="8"),
    ]
    found = frame(given)
    assert standings(found) == {"aligned": 1, "conflicting": 2, "silent": 1, "no rule": 1, "no_meta_prompt": 2}
    cells = {row["cell"]: row for row in matrix_coverage(found, MATRIX)}
    assert cells["harmless/user_first/conflicts"]["rows"] == 2
    assert cells["harmful/none/alone"] == {
        "cell": "harmful/none/alone",
        "standing": "no rule",
        "rows": 0,
        "no_meta_prompt": 1,
    }
    assert cells["harmless/provider_first/conflicts"]["rows"] == 0
    assert sum(row["rows"] + row["no_meta_prompt"] for row in cells.values()) == 6


def test_a_cell_that_the_matrix_does_not_have_is_shown_at_its_end() -> None:
    found = matrix_coverage(frame([pair(matrix_cell="harmless/mine/conflicts")]), MATRIX)
    assert [row["cell"] for row in found] == [*(cell.name for cell in MATRIX.cells), "harmless/mine/conflicts"]
