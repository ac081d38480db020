"""The recipe itself."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from metaalign_data.chat import FROZEN
from metaalign_data.errors import RecipeError, UserError, did_you_mean
from metaalign_data.queries import QuerySettings
from metaalign_data.recipe.chain import DEFAULT_CHAIN, Loading, StageSpec, build_chain, dump_entry, offline
from metaalign_data.recipe.document import FLOAT, Document, read_document
from metaalign_data.recipe.environment import expand, plaintext_keys
from metaalign_data.recipe.fit import reachable
from metaalign_data.recipe.flaws import Flaw, Path, flaws_of
from metaalign_data.recipe.overrides import override
from metaalign_data.recipe.settings import DatasetSettings, Name, Shares, even_shares
from metaalign_data.recipe.settle import settle
from metaalign_data.recipe.teacher_block import flat, parse_block, parse_judges
from metaalign_data.resources import bundled_recipes
from metaalign_data.stages.sampling.settings import PreferenceSettings
from metaalign_data.teacher.settings import BudgetSettings, TeacherSettings

TeacherBlock = Annotated[TeacherSettings, BeforeValidator(parse_block)]
WEAKNESS = 0.7
"""How often the simulated weak teacher gets it wrong."""
JudgeBlocks = Annotated[tuple[TeacherSettings, ...], BeforeValidator(parse_judges)]


class Recipe(BaseModel):
    """Everything that determines a dataset, checked: settings with their defaults, stages that fit one another.

    `load` reads a file, `from_dict` the same as plain data; an entry of `stages` may be a stage object there. `judge`
    is one block or a list of them, `weak_teacher` writes responses that are to lose. Keys that these leave out are the
    teacher's, except a price when the model, and a key when the server is another one.
    """

    model_config = FROZEN
    name: Name
    seed: int = 0
    teacher: TeacherBlock
    judges: JudgeBlocks = Field(alias="judge")
    weak_teacher: TeacherBlock | None = None
    budget: BudgetSettings = BudgetSettings()
    queries: QuerySettings
    subsets: Shares = Field(default_factory=even_shares)
    preferences: PreferenceSettings = PreferenceSettings()
    stage_specs: Annotated[tuple[StageSpec, ...], BeforeValidator(build_chain)] = Field(
        default=DEFAULT_CHAIN,
        alias="stages",
        validate_default=True,
    )
    dataset: Annotated[DatasetSettings, AfterValidator(reachable)] = DatasetSettings()
    _folder: FilePath = PrivateAttr(default=FilePath())
    _templates: dict[Path, tuple[str, Any]] = PrivateAttr(default_factory=dict)
    """Texts with ${VAR}, and the values that they stood for."""

    @property
    def judge(self) -> TeacherSettings:
        """The first of the judges."""
        return self.judges[0]

    @property
    def folder(self) -> FilePath:
        """Relative paths count from here, and a `prompts/` folder in it comes before the bundled prompts."""
        return self._folder

    @classmethod
    def load(cls, path_or_name: FilePath | str, *, overrides: Sequence[str] = (), trust: bool = False) -> Self:
        """A recipe file, or a bundled recipe by its name (its relative paths count from the current folder).

        `overrides` are "key.path=value", "stages.judge.votes=4" for a setting of a stage; values are YAML. `trust` lets
        the recipe run Python that it names (`use:`). Raises RecipeError with every mistake, UserError when there is no
        such recipe.
        """
        path = FilePath(path_or_name)
        folder = path.parent
        if not path.is_file():
            path, folder = _bundled_recipe(str(path_or_name)), FilePath()
        document = read_document(path)
        override(document, overrides)
        return cls._checked(document, Loading(folder, trust))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, folder: FilePath | None = None, trust: bool = False) -> Self:
        """As `load`, for the data that a file would hold. Raises RecipeError with every mistake."""
        return cls._checked(Document("recipe", dict(data)), Loading(folder or FilePath(), trust))

    @classmethod
    def _checked(cls, document: Document, loading: Loading) -> Self:
        settled = settle(document.data)
        expanded = expand(settled.data, os.environ)
        flaws = [*settled.flaws, *plaintext_keys(settled.data)]
        flaws += _elsewhere(expanded.flaws, flaws)
        try:
            recipe = cls.model_validate(expanded.data, context=loading)
        except ValidationError as e:
            flaws += _elsewhere(flaws_of(e, cls), flaws)
        if flaws or document.mistakes:
            found = [document.mistake(settled.written(flaw)) for flaw in flaws]
            raise RecipeError(list(dict.fromkeys([*document.mistakes, *found])))
        plain = recipe._plain()
        recipe._folder = loading.folder
        recipe._templates = {path: (text.template, _at(plain, path)) for path, text in expanded.templates.items()}
        return recipe

    @model_validator(mode="before")
    @classmethod
    def _settled(cls, data: Any) -> Any:
        """A recipe made by `Recipe(...)` may use the shorthands of a file."""
        return settle(data).data if isinstance(data, Mapping) else data

    def limited(self, queries: int) -> Self:
        """The same recipe for one pass over at most this many queries, whatever its target."""
        limit = min(queries, self.queries.limit or queries)
        limited = self.queries.model_copy(update={"limit": limit})
        return self.model_copy(update={"queries": limited, "dataset": self.dataset.model_copy(update={"target": None})})

    def harmless(self) -> Self:
        """The same recipe without its harmful queries."""
        return self.model_copy(update={"queries": self.queries.model_copy(update={"harmful": None})})

    def simulated(self) -> Self:
        """The same recipe with the simulated teacher and judges, where they are not simulated already.

        Judges have seeds of their own: those that stand in for several make up their own minds. For an embedding server
        hashed-ngrams stand in.
        """

        def stand_in(settings: TeacherSettings, seed: int) -> TeacherSettings:
            return settings if settings.is_simulated else parse_block({"provider": "simulated", "seed": seed})

        judges = tuple(stand_in(judge, seed) for seed, judge in enumerate(self.judges))
        weak = self.weak_teacher
        if weak and not weak.is_simulated:
            weak = parse_block({"provider": "simulated", "faults": {"wrong_answer": WEAKNESS}})
        specs = tuple(offline(spec) for spec in self.stage_specs)
        models = {"teacher": stand_in(self.teacher, 0), "judges": judges, "weak_teacher": weak}
        return self.model_copy(update={**models, "stage_specs": specs})

    def dump(self) -> str:
        """The recipe as YAML with every default written out and ${VAR} as it was; `load` gives the same recipe.

        A stage object is written as the class that it is of; loading that again needs trust.
        """
        data = self._plain()
        for path, (template, value) in self._templates.items():
            if value is not None and _at(data, path) == value:
                _at(data, path[:-1])[path[-1]] = template
        if self.judges == (self.teacher,):
            del data["judge"]
        return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    def _plain(self) -> dict[str, Any]:
        """What a file would hold."""
        data = self.model_dump(exclude={"teacher", "judges", "weak_teacher", "stage_specs"})
        judges = [flat(judge) for judge in self.judges]
        data["teacher"], data["judge"] = flat(self.teacher), judges if len(judges) > 1 else judges[0]
        data["weak_teacher"] = self.weak_teacher and flat(self.weak_teacher)
        data["stages"] = [dump_entry(spec) for spec in self.stage_specs]
        order = [field.alias or name for name, field in type(self).model_fields.items()]
        return {key: _as_written(data[key]) for key in order}


_LINE_BREAK = re.compile(r"[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.Node:
        """In double quotes where PyYAML would otherwise write a rare line break as it is, and read it as a space."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _LINE_BREAK.search(text) else None)


_Dumper.add_representer(str, _Dumper.represent_text)
# Text that `parse_yaml` would take for a number has to be quoted.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))


def _bundled_recipe(name: str) -> FilePath:
    recipes = bundled_recipes()
    if name in recipes:
        return recipes[name]
    if name in bundled_recipes(training=True):
        raise UserError(f"'{name}' trains a model, it makes no dataset", fix=f"metaalign-data train {name}")
    what = f"there is no recipe '{name}': no such file, and no bundled recipe of that name"
    raise UserError(what + did_you_mean(name, list(recipes)))


def _elsewhere(flaws: Iterable[Flaw], known: Iterable[Flaw]) -> list[Flaw]:
    """Without those of values that are known to be wrong: they follow from that."""
    paths = {flaw.path for flaw in known}
    return [flaw for flaw in flaws if flaw.path not in paths]


def _at(data: Any, path: Path) -> Any:
    """The value at the path, None where there is none."""
    try:
        for part in path:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return None
    return data


def _as_written(value: Any) -> Any:
    """Plain dicts, lists and numbers; a decimal stays text where no float is exactly it."""
    match value:
        case dict():
            return {key: _as_written(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_as_written(inner) for inner in value]
        case Decimal():
            return float(value) if Decimal(str(float(value))) == value else str(value)
    return value
