import asyncio
import json
import socket
from contextlib import asynccontextmanager

import openai
import pytest

from asking import library, teacher
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.errors import UserError
from metaalign_data.teacher.simulated import Faults, SimulatedTeacher
from metaalign_data.teacher.simulated.server import MAX_BODY_BYTES, serve

SKY = [{"role": "user", "content": "Why is the sky blue?"}]


@asynccontextmanager
async def serving(**faults):
    ready = asyncio.get_running_loop().create_future()
    config = SimulatedTeacher.Config(faults=Faults(**faults))
    task = asyncio.create_task(serve(config, on_ready=ready.set_result))
    try:
        yield await asyncio.wait_for(ready, 5)
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()


@asynccontextmanager
async def talking(**faults):
    async with (
        serving(**faults) as port,
        openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client,
    ):
        yield client.with_options(timeout=10)


async def raw(port: int, request: bytes) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    return int(answer.split()[1]), answer.decode()


def post(body: bytes, host: str = "127.0.0.1", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode() + body


async def test_a_real_client_gets_what_the_teacher_says():
    async with talking() as client:
        reply = await client.chat.completions.create(model="simulated", messages=SKY, max_tokens=100)
    request = ChatRequest(messages=(Message.model_validate(SKY[0]),), max_tokens=100)
    expected = await teacher().complete(request)
    assert reply.choices[0].message.content == expected.text
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == expected.usage.prompt_tokens
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + expected.usage.completion_tokens


async def test_models_are_listed():
    async with talking() as client:
        assert [model.id async for model in client.models.list()] == ["simulated"]


async def test_n_gives_several_answers_and_a_seed_other_ones():
    async with talking() as client:
        several = await client.chat.completions.create(model="simulated", messages=SKY, n=3)
        again = await client.chat.completions.create(model="simulated", messages=SKY, n=3)
        other = await client.chat.completions.create(model="simulated", messages=SKY, n=3, seed=4)
    texts = [[choice.message.content for choice in reply.choices] for reply in (several, again, other)]
    assert len(set(texts[0])) > 1
    assert texts[0] == texts[1] != texts[2]


async def test_every_way_of_asking_for_json_gets_json():
    messages = [
        m.model_dump() for m in library().prompt("write_consensus_questions").messages(query="Why?", questions="1")
    ]
    schema = {"type": "object", "properties": {"greeting": {"type": "string"}, "mood": {"enum": ["calm", "glad"]}}}
    by_schema = {"type": "json_schema", "json_schema": {"name": "Greeting", "schema": schema}}
    async with talking() as client:
        plain = await client.chat.completions.create(model="simulated", messages=messages)
        shaped = await client.chat.completions.create(model="simulated", messages=SKY, response_format=by_schema)
        some = await client.chat.completions.create(
            model="simulated", messages=SKY, response_format={"type": "json_object"}
        )
    assert set(json.loads(plain.choices[0].message.content)) == {"background", "questions"}
    assert json.loads(shaped.choices[0].message.content)["mood"] == "calm"
    assert isinstance(json.loads(some.choices[0].message.content), dict)


async def test_a_rate_limit_is_a_429_that_says_when_to_come_back():
    async with talking(rate_limit=1.0, retry_after_s=1.5) as client:
        with pytest.raises(openai.RateLimitError) as error:
            await client.chat.completions.create(model="simulated", messages=SKY)
    assert error.value.response.headers["retry-after"] == "1.5"
    assert error.value.type == "rate_limit_error"


async def test_a_server_error_is_a_500_and_a_refusal_a_content_filter():
    async with talking(server_error=1.0) as client:
        with pytest.raises(openai.InternalServerError, match="simulated server error"):
            await client.chat.completions.create(model="simulated", messages=SKY)
    async with talking(refusal=1.0) as client:
        reply = await client.chat.completions.create(model="simulated", messages=SKY)
        assert reply.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("option", ["stream", "logprobs"])
async def test_what_it_cannot_do_is_refused_by_name(option):
    async with talking() as client:
        with pytest.raises(openai.BadRequestError, match=f"does not do {option}") as error:
            await client.chat.completions.create(model="simulated", messages=SKY, **{option: True})
    assert error.value.param == option


async def test_an_unknown_model_is_not_found():
    async with talking() as client:
        with pytest.raises(openai.NotFoundError, match="no model 'gpt-9' here"):
            await client.chat.completions.create(model="gpt-9", messages=SKY)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post(b"{"), 400),
        (post(b'{"model": "simulated", "messages": []}'), 400),
        (post(b"{}", host="evil.example"), 403),
        (post(b"{}", host="evil.example:80"), 403),
        (post(b"", length=MAX_BODY_BYTES + 1), 413),
        (post(b"", length=10**30), 413),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET /v1/embeddings HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 404),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 403),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, 431),
    ],
)
async def test_a_request_that_is_out_of_order_gets_a_status_and_a_sentence(request_bytes, status):
    async with serving() as port:
        found, answer = await raw(port, request_bytes)
    assert found == status
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["message"]


async def test_one_connection_takes_many_requests():
    body = json.dumps({"model": "simulated", "messages": SKY}).encode()
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(post(body))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("HTTP/1.1 200 ")
            await reader.readexactly(int(head.lower().partition("content-length: ")[2].split()[0]))
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", "::"])
async def test_it_listens_on_loopback_only(host):
    with pytest.raises(UserError, match="does not listen"):
        await serve(SimulatedTeacher.Config(), host=host, on_ready=print)


async def test_a_taken_port_is_a_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="cannot be opened"):
            await serve(SimulatedTeacher.Config(), port=taken.getsockname()[1], on_ready=print)
