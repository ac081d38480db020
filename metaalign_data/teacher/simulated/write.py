"""Answers: planned from a target or a meta-prompt, and written so that they have what the plan says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from random import Random

from metaalign_data.teacher.simulated.phrases import (
    STOPWORDS,
    capitalised,
    content_words,
    decapitalised,
    fill,
    remembered,
    sentences,
    squash,
    words,
)
from metaalign_data.teacher.simulated.read import READ_CHARS, read_wishes, stance_stated, topic_of, wanted
from metaalign_data.teacher.simulated.world import Layout, Show, Topic, Want, world

_FACTS = 3  # of an answer whose length nobody minds
_MIN_POINTS = 2  # of the briefest list, the lead among them
_FOCUS_WORDS = 4
_FOCUS_CHARS = 400
_FOCUS_WORD_CHARS = 30
_PAUSE = re.compile(r"[^\w\s'-]+")
_QUOTED = re.compile(r'"([^"\n]{3,60})"')
_ECHOED_WORDS = 8
_STATEMENT_CHARS = 600
_REQUEST_VERBS = """
    write rewrite give given make create find tell explain describe suggest list design think provide convert classify
    generate help show name choose pick compose come summarize answer compare add using use need want analyze identify
    determine following based better best good right wrong wiser fair acceptable really
"""
_NO_FOCUS = STOPWORDS | frozenset(_REQUEST_VERBS.split())


@dataclass(frozen=True, slots=True)
class Plan:
    """What an answer has to do: values by dimension, a statement to lead with, words to come back to."""

    values: Mapping[str, str] = field(default_factory=dict)
    statement: str = ""
    echo: tuple[str, ...] = ()


def plan_for_target(target: str) -> Plan:
    """The plan of an answer that must do what `target` says: have a value, or state a view, known or not."""
    views: list[str] = []
    rest: list[str] = []
    for sentence in sentences(target):
        (views if stance_stated(sentence) else rest).append(sentence)
    values = {d: v for d, v in read_wishes(" ".join(rest)).values.items() if d in world().dimension}
    if views:
        return Plan(values, statement=views[0].rpartition(": ")[2])
    if values:
        return Plan(values)
    return Plan(statement=target.strip()[:_STATEMENT_CHARS])


def plan_for_meta_prompt(system_info: str, user_info: str, query: str, history: str, rng: Random) -> Plan:
    """The plan of an answer that follows meta-prompt and earlier turns as they are read."""
    wishes = wanted(system_info, user_info, query, history)
    view = next((Want(name, value) for name, value in wishes.values.items() if name in world().stances), None)
    return Plan(
        {name: value for name, value in wishes.values.items() if name in world().dimension},
        statement=_view(view, query, rng) if view else "",
        echo=wishes.unread[:_ECHOED_WORDS],
    )


def contrary(plan: Plan, query: str, rng: Random) -> Plan:
    """A plan for what the contrasting value or view wants; without what has no contrast."""
    values = {d: rng.choice(world().others(Want(d, v))).value for d, v in plan.values.items()}
    stated = stance_stated(plan.statement)
    return Plan(values, statement=_view(world().others(stated)[0], query, rng) if stated else "")


def _view(want: Want, query: str, rng: Random) -> str:
    side = world().stances[want.dimension].side(want.value)
    return capitalised(fill(side.answer, rng, {"subject": subject_of(query)}))


def subject_of(query: str) -> str:
    """A noun phrase for what the query is about: its topic's, or the query's own words in quotes."""
    topic = topic_of(query)
    if topic.name != "generic":
        return topic.subject
    focus = focus_of(query)
    return focus if focus == topic.subject else f'"{focus}"'


@remembered(READ_CHARS)
def focus_of(query: str) -> str:
    """Up to four of the query's own words that stand together and say what it is about; quoted ones before others.

    Words that would look like the mark of a value are passed over.
    """
    runs: list[str] = []
    start = query[:_FOCUS_CHARS]
    quoted = _QUOTED.search(start)
    for clause in _PAUSE.split(quoted[1] if quoted else start):
        kept = (word if word not in _NO_FOCUS and len(word) <= _FOCUS_WORD_CHARS else "" for word in words(clause))
        for wanted_word, run in groupby(kept, key=bool):
            if wanted_word:
                runs.append(" ".join(islice(run, _FOCUS_WORDS)))
    return max(filter(_shows_nothing, runs), key=len, default=topic_of(query).subject)


def _shows_nothing(text: str) -> bool:
    spoken = squash(text)
    return not any(phrase in spoken for phrase in world().all_evidence)


def write_response(query: str, plan: Plan, rng: Random) -> str:
    """An answer to the query that has what the plan says."""
    topic = topic_of(query)
    slots = _slots(topic, query, rng)
    shows = [d.value(plan.values[d.name]).show for d in world().dimensions if d.name in plan.values]
    layout: Layout = next((show.layout for show in shows if show.layout), "prose")
    opens, inserts, closes = _shown(shows, slots, rng, brief=_is_brief(shows))
    if plan.echo:
        closes.append(f"All of this with {', '.join(plan.echo)} in mind.")
    closes.sort(key=lambda text: text.endswith("?"))
    lead = _lead(topic, plan, shows, slots, rng)
    facts = _facts(topic, shows, slots, rng, layout=layout)
    if any(show.bold for show in shows):
        lead, facts = _with_bold_word(lead), [_with_bold_word(fact) for fact in facts]
    if layout == "numbers":
        steps = "\n".join(f"{i}. {fill(step, rng, slots)}" for i, step in enumerate(topic.steps, 1))
        rest = " ".join((*inserts, *facts))
        body = _ordered(lead, [steps, rest] if rest else [steps], shows)
    else:
        body = _ordered(lead, [*facts[:1], *inserts, *facts[1:]], shows)
    headings = next((show.headings for show in shows if show.headings), None)
    if headings is None:
        return _laid_out(layout, opens, body, closes)
    half = (len(body) + 1) // 2
    parts = (_laid_out(layout, opens, body[:half], []), _laid_out(layout, [], body[half:], closes))
    titles = (capitalised(fill(heading, rng, slots)) for heading in headings)
    return _paragraphs(*(f"## {title}\n\n{part}" for title, part in zip(titles, parts, strict=True) if part))


def _laid_out(layout: Layout, opens: list[str], body: list[str], closes: list[str]) -> str:
    if layout == "prose":
        return " ".join((*opens, *body, *closes))
    inside = ["\n".join(f"- {line}" for line in body)] if layout == "bullets" else body
    return _paragraphs(" ".join(opens), *inside, " ".join(closes))


def _with_bold_word(sentence: str) -> str:
    """The sentence with its longest word of meaning in bold type; as it is where it has none."""
    word = max(content_words(sentence), key=len, default="")
    return re.sub(rf"\b{re.escape(word)}\b", r"**\g<0>**", sentence, count=1, flags=re.IGNORECASE) if word else sentence


def _ordered(lead: str, reasons: list[str], shows: list[Show]) -> list[str]:
    return [*reasons, lead] if any(show.conclusion == "last" for show in shows) else [lead, *reasons]


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)


def _is_brief(shows: list[Show]) -> bool:
    return any(show.sentences == 1 for show in shows)


def _slots(topic: Topic, query: str, rng: Random) -> dict[str, str]:
    subject = subject_of(query)
    base = {"subject": subject, "focus": focus_of(query)}
    texts = {
        "general": topic.general,
        "example": topic.example,
        "analogy": topic.analogy,
        "recommendation": topic.recommendation,
        "option_a": topic.options[0],
        "option_b": topic.options[1],
        "expert": rng.choice(topic.expert),
    }
    return base | {name: fill(text, rng, base) for name, text in texts.items()}


def _shown(
    shows: list[Show], slots: Mapping[str, str], rng: Random, *, brief: bool
) -> tuple[list[str], list[str], list[str]]:
    """Sentences to open with, to insert and to close with. A brief answer takes one for each value."""
    opens: list[str] = []
    inserts: list[str] = []
    closes: list[str] = []
    for show in shows:
        available = [
            (place, texts)
            for place, texts in ((inserts, show.insert), (opens, show.open), (closes, show.close))
            if texts
        ]
        count = 1 if brief else rng.randint(1, len(available)) if available else 0
        for place, texts in available[:count]:
            place.append(capitalised(fill(rng.choice(texts), rng, slots)))
    return opens, inserts, closes


def _lead(topic: Topic, plan: Plan, shows: list[Show], slots: Mapping[str, str], rng: Random) -> str:
    """The sentence that says the most: the statement of the plan, or what holds in general for the topic."""
    framed = [show.lead for show in shows if show.lead]
    if plan.statement:
        text = plan.statement
    else:
        own_subject = "{subject}" in topic.general or bool(framed)
        text = fill("{general}." if own_subject else rng.choice(world().people.leads), rng, slots)
    if framed:
        text = fill(rng.choice(framed[0]), rng, {"lead": decapitalised(text.rstrip(" ."))})
    text = capitalised(text)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _facts(topic: Topic, shows: list[Show], slots: Mapping[str, str], rng: Random, *, layout: str) -> list[str]:
    """As many facts of the topic as the length and the layout want, in the words of the tone."""
    asked = max((show.sentences or 0 for show in shows), default=0)
    if layout == "numbers":
        count = asked - 1 if asked > 1 else 0
    elif layout == "bullets":
        count = max(_MIN_POINTS, asked) - 1 if asked else _FACTS
    else:
        count = asked - 1 if asked else _FACTS
    facts = [capitalised(fill(fact, rng, slots)) for fact in rng.sample(topic.facts, min(count, len(topic.facts)))]
    for old, new in (pair for show in shows for pair in show.replace.items()):
        facts = [fact.replace(old, new).replace(capitalised(old), capitalised(new)) for fact in facts]
    return facts
