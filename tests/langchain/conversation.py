"""A conversation whose second turn matters at its end, and a chat model that notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

FACT = "My sister Olga lives in Tromsø and keeps reindeer."
QUESTION = "Which animals does Olga look after?"
"""Shares no word but the name with the fact, and only the second turn answers it."""

CONVERSATION: list[tuple[str, str]] = [
    ("Good morning! I'm Tom.", "Good morning, Tom! What can I do for you?"),
    (FACT, "How lovely, that is far up north."),
    ("What is the capital of Portugal?", "Lisbon."),
    ("Convert 12 miles to kilometres, please.", "About 19.3 kilometres."),
    ("My bicycle has a flat tyre.", "Take the wheel off and look for the hole in the tube."),
    ("Which glue holds on rubber?", "Vulcanising fluid from a repair kit."),
    ("Suggest a soup for tonight.", "Lentils with cumin and lemon."),
    ("Without lemon?", "Then a spoon of vinegar does it."),
    ("I work as a data scientist.", "Interesting! In which field?"),
    ("Mostly hospital data.", "Then privacy is your daily bread."),
    ("Write a haiku about rain.", "Grey morning window / a thousand small footsteps run / down the patient glass"),
    ("Nice. What rhymes with orange?", "Hardly anything: sporange, if you like botany."),
    ("How long does an egg need?", "Six minutes for a soft one."),
    ("And a hard one?", "Ten minutes."),
    ("I started to learn the cello.", "Wonderful! Do you have a teacher?"),
    ("Yes, Mrs Baptiste, on Thursdays.", "I wish you patience with the bow."),
    ("Who wrote Middlemarch?", "George Eliot, in 1871 and 1872."),
    ("Is it long?", "About 800 pages."),
    ("My flat is too dry in winter.", "A bowl of water on the radiator helps a little."),
    ("What does HTTP 418 mean?", "I'm a teapot: a joke of 1998."),
    ("Fix: 'He go home.'", "'He goes home.'"),
    ("I want to run ten kilometres in May.", "Start with three runs a week."),
    ("How fast?", "Slowly enough to talk."),
    ("My knee hurts a bit.", "Rest two days, and see a doctor if it stays."),
    ("Name three blue flowers.", "Cornflower, gentian, forget-me-not."),
    ("Which one grows in shade?", "Forget-me-not does."),
    ("What is 17 times 23?", "391."),
    ("Explain a mutex in one sentence.", "A lock that one thread holds while the others wait."),
    ("I am allergic to walnuts.", "Noted: no walnuts."),
    ("What could I bake then?", "A plain apple cake."),
    ("When does the sun set in June?", "In Lisbon shortly after nine in the evening."),
    ("Thanks, that is all for now.", "You are welcome, Tom."),
]

Answer = str | list[Any] | AIMessage | BaseException
Answers = Sequence[Answer] | Callable[[list[BaseMessage]], Answer]


class RecordingChatModel(BaseChatModel):
    """Answers from a list, or with a function of the prompt, and notes every prompt; an exception is raised.

    Streams text word by word and tool calls as one chunk. Takes tools.
    """

    answers: Any
    """`Answers`: a list is used up in order, and asking once more is an error."""
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of every prompt, in the order they came."""
    options: list[dict[str, Any]] = Field(default_factory=list)
    """The keywords that came with each: bound tools, tool_choice, and so on."""
    given: int = 0

    @property
    def _llm_type(self) -> str:
        return "recording"

    @property
    def heard(self) -> list[str]:
        """The text of every prompt, its messages joined by line breaks."""
        return [said(prompt) for prompt in self.prompts]

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, kwargs))])

    def _stream(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> Iterator[Any]:
        for chunk in _chunks(self._answer(messages, kwargs)):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text)
            yield chunk

    def _answer(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        self.prompts.append(list(messages))
        self.options.append(options)
        answer = self.answers(messages) if callable(self.answers) else self._next()
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, AIMessage) else AIMessage(content=answer)

    def _next(self) -> Answer:
        self.given += 1
        if self.given > len(self.answers):
            raise AssertionError(f"the model was asked {self.given} times and had {len(self.answers)} answers")
        return self.answers[self.given - 1]


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    if message.tool_calls or not isinstance(message.content, str):
        whole = message.model_dump(exclude={"type", "tool_calls", "tool_call_chunks"})
        calls = [
            {**call, "args": json.dumps(call["args"]), "index": place} for place, call in enumerate(message.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(**whole, tool_call_chunks=calls))
        return
    for place, word in enumerate(message.content.split(" ")):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word if place == 0 else f" {word}", id=message.id))


def answers_to(conversation: Sequence[tuple[str, str]]) -> list[str]:
    """Return what the agent says in a conversation."""
    return [answer for _, answer in conversation]


def said(prompt: Sequence[BaseMessage]) -> str:
    """Return the text of a prompt, its messages joined by line breaks."""
    return "\n".join(str(message.content) for message in prompt)


def calling(name: str, **arguments: Any) -> AIMessage:
    """Return the message of an agent that calls a tool and says nothing."""
    return AIMessage(content="", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}])
