"""Wishes put into words by the teacher, and the sides that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metaalign_data.answers import Dialogue, PreferenceText
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.records import Preference, Query, Scenario, Side, merged
from metaalign_data.stage import Context
from metaalign_data.stages.asking import all_ended, transcript
from metaalign_data.stages.sampling.wishes import JOINT, Wish
from metaalign_data.stages.subsets.draft import Draft, DraftSide

_PROMPT = {
    "statement": "write_explicit_preference",
    "background": "write_background",
    "writing": "write_writing_sample",
    "dialogue": "write_dialogue",
}


@dataclass(frozen=True)
class Told:
    """A wish as it was written: a text, or the turns of a chat."""

    text: str
    history: tuple[Message, ...] = ()


async def put_into_words(draft: Draft, query: Query, ctx: Context) -> Scenario:
    """The draft with its wishes written by the teacher, each distinct one asked for once."""
    sides = (*draft.sides, *draft.twins)
    wishes = list(dict.fromkeys(wish for side in sides for wish in (side.rule, side.wish) if wish))
    talks = list(dict.fromkeys(side.wish for side in sides if _needs_small_talk(side)))
    requests = [request_for(wish, ctx) for wish in wishes] + [_small_talk(wish, ctx) for wish in talks if wish]
    answers = [answer.text for answer in await all_ended(ctx.teacher.complete(request) for request in requests)]
    told = {wish: _told(wish, text) for wish, text in zip(wishes, answers, strict=False)}
    chats = {wish: _messages(text) for wish, text in zip(talks, answers[len(wishes) :], strict=True) if wish}

    def made(side: DraftSide) -> Side:
        return _side(side, draft, told, chats)

    return Scenario(
        subset=draft.subset,
        query=query,
        question=query.text,
        sides=tuple(made(side) for side in draft.sides),
        twins=tuple(made(side) for side in draft.twins),
        prompt_versions=merged([request.prompt for request in requests]),
    )


def _side(side: DraftSide, draft: Draft, told: Mapping[Wish, Told], chats: Mapping[Wish, tuple[Message, ...]]) -> Side:
    rule = told[side.rule].text if side.rule else ""
    user_info = ""
    history: tuple[Message, ...] = ()
    if side.wish:
        wish = told[side.wish]
        user_info, history = ("" if side.in_history else wish.text), wish.history
        if side.wish in chats and side.in_history:
            history = _opened_with(wish.text, chats[side.wish])
    deciding = side.deciding
    return Side(
        system_info=" ".join(part for part in (side.frame, rule) if part),
        user_info=user_info,
        history=history,
        preference=Preference(
            text="\n".join(told[wish].text for wish in deciding),
            kind=deciding[-1].kind,
            form=deciding[-1].form,
            dimension=JOINT.join(wish.dimension for wish in deciding),
            value=JOINT.join(wish.value for wish in deciding),
        ),
        placement=side.placement,
        target=" ".join(wish.meaning for wish in deciding),
        rival_target=draft.rival_target,
        rejected_because=draft.rejected_because,
        user=side.user,
        matrix_cell=side.matrix_cell,
    )


def request_for(wish: Wish, ctx: Context) -> ChatRequest:
    """What the teacher is asked for the wish; equal wishes ask the same."""
    inputs = {"dimension": wish.dimension, "value": wish.value, "meaning": wish.meaning, "style": wish.style}
    inputs |= {"speaker": wish.speaker} if wish.form == "statement" else {"contrast": wish.contrast}
    return ctx.render(_PROMPT[wish.form], **inputs).again(wish.sample)


def _needs_small_talk(side: DraftSide) -> bool:
    return side.in_history and side.wish is not None and side.wish.form == "statement"


def _small_talk(wish: Wish, ctx: Context) -> ChatRequest:
    return ctx.render("write_small_talk", style=wish.style).again(wish.sample)


def _told(wish: Wish, answer: str) -> Told:
    if wish.form == "dialogue":
        history = _messages(answer)
        return Told(transcript(history), history)
    return Told(PreferenceText.model_validate_json(answer).text)


def _messages(answer: str) -> tuple[Message, ...]:
    turns = Dialogue.model_validate_json(answer).turns
    return tuple(
        message
        for turn in turns
        for message in (Message(role="user", content=turn.user), Message(role="assistant", content=turn.assistant))
    )


def _opened_with(text: str, talk: Sequence[Message]) -> tuple[Message, ...]:
    """The chat with the text at its very start: the wish is said several turns before the query."""
    first, *rest = talk
    return (first.model_copy(update={"content": f"{text} {first.content}"}), *rest)
