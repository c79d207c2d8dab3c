"""A conversation whose second turn matters at its end."""

from __future__ import annotations

from collections.abc import Sequence

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


def answers_to(conversation: Sequence[tuple[str, str]]) -> list[str]:
    """Return what the agent says in a conversation."""
    return [answer for _, answer in conversation]
