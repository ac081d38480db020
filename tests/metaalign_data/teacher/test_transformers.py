"""The `transformers` provider, with a tiny random model that is made on the spot."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from metaalign_data.answers import PreferenceText
from metaalign_data.chat import Message
from metaalign_data.errors import TeacherError, TeacherUnusable
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.transformers import TransformersTeacher
from teachers import ask
from tiny_model import save_tiny_model

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}<assistant>"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its tokenizer has no chat template."""
    pytest.importorskip("torch")
    return save_tiny_model(tmp_path_factory.mktemp("tiny-model"), chat_template=None)


def copy_of(model: Path, folder: Path, **changed: bytes) -> TransformersTeacher:
    """A teacher with a copy of `model` in which the content of some files is another."""
    for name, content in ({file.name: file.read_bytes() for file in model.iterdir()} | changed).items():
        (folder / name).write_bytes(content)
    return TransformersTeacher(TransformersTeacher.Config(model=str(folder), device="cpu"))


@pytest.fixture
async def teacher(tiny_model: Path) -> AsyncIterator[TransformersTeacher]:
    teacher = TransformersTeacher(TransformersTeacher.Config(model=str(tiny_model), device="cpu"))
    yield teacher
    await teacher.aclose()


async def test_it_is_a_client_in_order(teacher: TransformersTeacher) -> None:
    assert isinstance(teacher, Client)
    assert teacher.check() == []
    assert await teacher.probe() == {}


async def test_the_same_request_has_the_same_answer_and_another_sample_another(teacher: TransformersTeacher) -> None:
    request = ask(max_tokens=20, temperature=1.0)
    first, other = [await teacher.complete(each) for each in (request, request.again(1))]
    assert await teacher.complete(request) == first
    assert other.text != first.text
    assert first.usage.prompt_tokens == len("User: hello\n\nAssistant:")


async def test_without_temperature_all_samples_are_alike(teacher: TransformersTeacher) -> None:
    request = ask(max_tokens=20, temperature=0.0)
    assert await teacher.complete(request) == await teacher.complete(request.again(1))


async def test_an_answer_that_ran_into_max_tokens_says_so(teacher: TransformersTeacher) -> None:
    ends = {}
    for sample in range(200):
        completion = await teacher.complete(ask(max_tokens=60, sample=sample))
        ends[completion.finish_reason] = completion.usage.completion_tokens
        if len(ends) == 2:
            break
    assert ends["length"] == 60
    assert 0 < ends["stop"] <= 60


async def test_a_request_that_is_too_long_for_the_model_is_refused(teacher: TransformersTeacher) -> None:
    with pytest.raises(TeacherError, match="exceed the model's 4096") as caught:
        await teacher.complete(ask("x" * 5000))
    assert caught.value.reason == "bad_request"


async def test_json_is_asked_for_in_words(teacher: TransformersTeacher) -> None:
    plain, structured = [
        await teacher.complete(each) for each in (ask(max_tokens=5), ask(max_tokens=5).expecting(PreferenceText))
    ]
    assert structured.usage.prompt_tokens > plain.usage.prompt_tokens + 100


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (TEMPLATE, "<system>Be kind.</s><user>hello</s><assistant>"),
        (NO_SYSTEM, "<user>Be kind.\n\nhello</s><assistant>"),
    ],
)
async def test_the_models_own_chat_template_is_used(
    tiny_model: Path, tmp_path: Path, template: str, prompt: str
) -> None:
    teacher = copy_of(tiny_model, tmp_path, **{"chat_template.jinja": template.encode()})
    messages = (Message(role="system", content="Be kind."), *ask().messages)
    completion = await teacher.complete(ask(max_tokens=2).model_copy(update={"messages": messages}))
    assert completion.usage.prompt_tokens == len(prompt.replace("</s>", "E"))
    await teacher.aclose()


async def test_an_answer_that_nobody_waits_for_does_not_hold_up_the_next(teacher: TransformersTeacher) -> None:
    await teacher.complete(ask(max_tokens=1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await teacher.complete(ask(max_tokens=4000, temperature=0.001))
    started = time.monotonic()
    await teacher.complete(ask(max_tokens=1))
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
async def test_a_model_that_cannot_be_loaded_ends_the_run(tiny_model: Path, tmp_path: Path, broken: str) -> None:
    teacher = copy_of(tiny_model, tmp_path, **{broken: b"{"})
    with pytest.raises(TeacherUnusable, match="cannot be loaded"):
        await teacher.complete(ask())
    await teacher.aclose()


async def test_pickled_weights_are_not_read(tiny_model: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    teacher = copy_of(tiny_model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(TeacherUnusable, match="safetensors"):
        await teacher.complete(ask())
    await teacher.aclose()


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere"])
def test_a_folder_without_a_model_is_found_out_before_anything_is_loaded(model: str) -> None:
    (reason,) = TransformersTeacher(TransformersTeacher.Config(model=model)).check()
    assert reason.endswith("holds no model: it has no config.json")


def test_missing_packages_are_named_with_the_command_that_installs_them() -> None:
    code = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "from metaalign_data.teacher.transformers import TransformersTeacher\n"
        "print(TransformersTeacher(TransformersTeacher.Config(model='m')).check())\n"
        "assert 'transformers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'metaalign-data[train]'" in done.stdout, done.stderr


def identity(**config: Any) -> str:
    return TransformersTeacher(TransformersTeacher.Config(**{"model": "m"} | config)).identity


def test_model_revision_and_precision_are_in_the_identity_and_the_device_is_not() -> None:
    assert len({identity(), identity(model="n"), identity(revision="v2"), identity(dtype="float16")}) == 4
    assert identity(device="cuda:1") == identity()
    assert json.loads(identity().removeprefix("transformers "))["model"] == "m"
