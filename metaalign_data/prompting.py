"""Prompt files, taxonomies and priority matrices: found, checked, rendered.

A prompt is a Markdown file: YAML front matter (id, inputs, output, temperature, max_tokens) and a Jinja body whose
`## system`, `## user` and `## assistant` headings start the messages. The sections are cut before anything is filled
in, templates run in Jinja's sandbox, and an input cannot close or open one of the tags that the template delimits
inputs with: user text is data, never template or instruction.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, Field, ValidationError

from metaalign_data.answers import ANSWERS
from metaalign_data.chat import FROZEN, ChatRequest, Message
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.resources import bundled
from metaalign_data.rubrics import Rubric
from metaalign_data.taxonomy import Taxonomy

Role = Literal["system", "user", "assistant"]

_ENV = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=False, trim_blocks=True, lstrip_blocks=True
)
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## (system|user|assistant)[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<\s*/?\s*([A-Za-z][A-Za-z_ ]*?)\s*/?\s*>")


class FrontMatter(BaseModel):
    model_config = FROZEN
    id: str
    inputs: tuple[str, ...]
    output: str | None = None
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    max_tokens: int = Field(default=1024, gt=0)


@dataclass(frozen=True)
class Prompt:
    """A loaded prompt file. `version` is "id@" and the first 12 hex digits of the file's SHA-256.

    A section without inputs is the same message each time: it is rendered once.
    """

    path: Path
    front: FrontMatter
    version: str
    output: type[BaseModel] | None
    sections: tuple[tuple[Role, Template] | Message, ...]
    tags: frozenset[str]

    def messages(self, **inputs: object) -> tuple[Message, ...]:
        """The messages for these inputs. Raises UserError when the names differ from the front matter's `inputs`."""
        if set(inputs) != set(self.front.inputs):
            raise UserError(f"takes inputs {sorted(self.front.inputs)}, got {sorted(inputs)}", where=str(self.path))
        data = {name: self._harmless(value) for name, value in inputs.items()}
        try:
            return tuple(
                section
                if isinstance(section, Message)
                else Message(role=section[0], content=section[1].render(data).strip())
                for section in self.sections
            )
        except TemplateError as e:
            raise UserError(f"cannot be rendered: {e}", where=str(self.path)) from e

    def render(self, **inputs: object) -> ChatRequest:
        return ChatRequest(
            messages=self.messages(**inputs),
            temperature=self.front.temperature,
            max_tokens=self.front.max_tokens,
            output=self.output,
            prompt=self.version,
        )

    def _harmless(self, value: object) -> object:
        """The value with this template's own tags defused, so that an input cannot pose as another one."""
        if isinstance(value, str):
            return _TAG.sub(lambda m: f"‹{m[0][1:-1]}›" if m[1].lower() in self.tags else m[0], value)
        return value


def load_prompt(path: Path) -> Prompt:
    """Read and check one prompt file. Raises UserError that names the file and what is wrong with it."""
    raw = path.read_bytes()
    try:
        match = _FRONT_MATTER.match(raw.decode().replace("\r\n", "\n"))
        if match is None:
            raise UserError("has no front matter", where=str(path), fix="start the file with '---', id, inputs, '---'")
        front = FrontMatter.model_validate(yaml.safe_load(match[1]))
    except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as e:
        raise UserError(f"front matter cannot be read: {e}", where=str(path)) from e
    body = match[2]
    if front.id != path.stem:
        raise UserError(f"id '{front.id}' is not the file's name", where=str(path), fix=f"write 'id: {path.stem}'")
    if front.output is not None and front.output not in ANSWERS:
        raise UserError(f"unknown output '{front.output}'{did_you_mean(front.output, list(ANSWERS))}", where=str(path))
    try:
        used = meta.find_undeclared_variables(_ENV.parse(body))
        pieces = _SECTION.split(body)
        sections = tuple(
            _section(_role(role), text.strip()) for role, text in zip(pieces[1::2], pieces[2::2], strict=True)
        )
    except TemplateError as e:
        raise UserError(f"bad template: {e}", where=str(path)) from e
    if used != set(front.inputs):
        raise UserError(
            f"front matter declares {sorted(front.inputs)} but the body uses {sorted(used)}", where=str(path)
        )
    if not sections or pieces[0].strip():
        raise UserError("text outside a '## system', '## user' or '## assistant' section", where=str(path))
    return Prompt(
        path=path,
        front=front,
        version=f"{front.id}@{hashlib.sha256(raw).hexdigest()[:12]}",
        output=ANSWERS[front.output] if front.output else None,
        sections=sections,
        tags=frozenset(tag.lower() for tag in _TAG.findall(body)),
    )


def _section(role: Role, text: str) -> tuple[Role, Template] | Message:
    template = _template(text)
    return (role, template) if "{" in text else Message(role=role, content=template.render().strip())


def _template(text: str) -> Template:
    template = _ENV.from_string(text)
    template.globals = dict(template.globals)  # a chain of maps there would be walked with each rendering
    return template


def _role(name: str) -> Role:
    return next(role for role in get_args(Role) if role == name)


Y = TypeVar("Y", Taxonomy, PriorityMatrix, Rubric)


class Library:
    """Prompts, taxonomies, matrices, rubrics by name: from the recipe's own `prompts/` folder first, then bundled."""

    def __init__(self, overrides: Sequence[Path] = ()) -> None:
        self.folders = (*overrides, bundled("prompts"))
        self._loaded: dict[str, Any] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all prompts within reach."""
        return tuple(sorted({path.stem for folder in self.folders for path in folder.glob("*.md")}))

    def prompt(self, name: str) -> Prompt:
        """Raises UserError when there is no such prompt or it is broken."""
        if name not in self._loaded:
            self._loaded[name] = load_prompt(self._find(f"{name}.md", "prompt", name, self.names))
        prompt: Prompt = self._loaded[name]
        return prompt

    def taxonomy(self, name: str) -> Taxonomy:
        return self._yaml("taxonomies", name, Taxonomy)

    def priorities(self, name: str) -> PriorityMatrix:
        return self._yaml("priorities", name, PriorityMatrix)

    def rubric(self, name: str) -> Rubric:
        return self._yaml("rubrics", name, Rubric)

    def meta_prompt(self, system_info: str, user_info: str) -> str:
        """The system message of a row; "" when both parts are empty."""
        (message,) = self.prompt("meta_prompt").messages(system_info=system_info, user_info=user_info)
        return message.content

    def _yaml(self, folder: str, name: str, model: type[Y]) -> Y:
        key = f"{folder}/{name}"
        if key not in self._loaded:
            names = [path.stem for root in self.folders for path in (root / folder).glob("*.yaml")]
            path = self._find(f"{key}.yaml", folder, name, names)
            try:
                self._loaded[key] = model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
            except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as e:
                raise UserError(f"cannot be read: {e}", where=str(path)) from e
        loaded: Y = self._loaded[key]
        return loaded

    def _find(self, file: str, kind: str, name: str, names: Sequence[str]) -> Path:
        for folder in self.folders:
            if (folder / file).is_file():
                return folder / file
        raise UserError(f"no {kind} '{name}'{did_you_mean(name, names)}")


def meta_prompt(system_info: str, user_info: str) -> str:
    """The system message that a dataset's rows hold for these tiers, by the bundled layout."""
    return Library().prompt("meta_prompt").render(system_info=system_info, user_info=user_info).messages[0].content
