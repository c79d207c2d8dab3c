"""The conversations of the demo: data, written for it.

The first exchange is the seed document's own example. The long one is five months of one
person: an engineer, her boat, her family, a trip, what she cannot eat, and a move.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

SEED_TURN = (
    "سلام! من تام هستم، به عنوان دانشمند داده در سانفرانسیسکو کار میکنم.",
    "سلام تام! خوشبختم. علوم داده حوزه بسیار هیجانانگیزی است. با چه نوع دادهای کار میکنی؟",
)
SEED_QUESTIONS = ("در مورد شغل من چه چیزی را به یاد داری؟", "What do you remember about my job?")

_TEXT = """\
# 2024-01-14T19:10 getting to know each other
Hello! My name is Lena. I live in Leeds and I work as a structural engineer.
> Hello Lena! What do you build?
Footbridges, mostly. Right now I am drawing one over the river Aire, forty metres of larch and steel.
> Larch over water, that will look lovely. When does it open?
If the council signs, next spring. My boss Gwen presents it to them in March.
> Then March is the month to hope for.
After work I restore a wooden boat. She is a 1962 Folkboat called Kittiwake and lives in a shed in Hull.
> Kittiwake, like the gull! What shape is she in?
Two planks near the keel are rotten and the engine has not run since 2009. I bought her for one pound.
> One pound plus every weekend, I suppose.
Exactly what my brother Daniel says. He is a baker in York and thinks I am mad.
> A baker and a boat builder: one of you always has flour or sawdust in the hair.
One thing you should know: I have coeliac disease, so no gluten at all, not even a crumb.
> Noted. No wheat, barley or rye in anything I suggest.
Which is funny with a baker in the family. Daniel keeps a separate oven for my buckwheat bread.
> That is love, in the form of an oven.

# 2024-01-28T20:05 the boat
Spent the weekend on Kittiwake. I took the rotten planks off and found the frames behind them sound.
> Sound frames are the best news a rotten plank can hide.
I ordered larch for the new planks, the same sawmill that delivers for the footbridge.
> Bridge and boat from one forest. Are you steaming the planks?
Yes, I built a steam box out of drainpipe and a wallpaper steamer. One hour per inch of thickness.
> Thick gloves, and somebody to hold the other end.
Daniel held it. His daughter Ida, who is six, painted a gull on the steam box.
> Ida clearly knows the name of the boat.
The engine is a Volvo Penta MD1. The piston is seized, so I poured diesel on it and now I wait.
> Patience and diesel. Give it a week before you try the flywheel.
What was it again that I paid for her?
> One pound, you told me two weeks ago.

# 2024-02-18T18:40 food and family
Ida turned seven yesterday. She wanted a cake shaped like a boat, so Daniel baked a gluten free one for everybody.
> A birthday cake you could eat too. What went into it?
Almond flour and polenta. I ate three pieces without worrying, which never happens at parties.
> Worth asking him for the recipe.
On Friday a restaurant gave me soy sauce with wheat in it and I was ill for two days.
> I am sorry. Tamari without wheat is the one to ask for.
I am thinking of a trip in May: the fjords of Norway, by train and ferry, ten days.
> May is when the fruit trees bloom along the Hardangerfjord. Bergen is a good base.
Bergen it is, then. My friend Sunniva lives there and has a spare room.
> A friend with a room beats every hotel.
She says there is a bakery in Bergen where everything is free of gluten.
> Then you will eat breakfast there ten times.
The piston of the engine came loose at last! It moved with a sound like a cork.
> Five weeks of diesel were not in vain.

# 2024-03-10T19:30 the bridge
Gwen presented the footbridge to the council on Thursday and they signed!
> Congratulations! All the larch may grow into a bridge.
They want a handrail with lights in it. I have to calculate the whole parapet again.
> Lights mean cables, and cables mean somebody will want a hatch.
Two hatches, you guessed it. The opening of the bridge is set for the 12th of April next year.
> I will remember the 12th of April.
Gwen asked me whether I want to lead the new office in Bristol.
> What a question! What does your heart say?
That Bristol has a harbour. And that Leeds has Daniel and Ida within half an hour.
> A harbour on one side of the scales, a brother and a niece on the other.
Do you remember which engine the boat has? The shop in Bristol asks.
> A Volvo Penta MD1; the piston came loose in February.
I said yes to Gwen. I start in Bristol in the middle of April.
> Brave. Kittiwake will like the harbour.

# 2024-04-07T18:15 packing
Boxes everywhere. I found a flat in Bristol with a view of the floating harbour, second floor, no lift.
> A view worth the stairs. When is the van coming?
On the 13th. Daniel drives it, Ida navigates with a paper map.
> Then you will see a lot of England.
Kittiwake goes by lorry the week after. The yard in Bristol has a berth in the shed until June.
> A dry shed until June is just enough for planks and paint.
The new planks are in. Copper rivets, two hundred and twelve of them, I counted each one.
> And every one of them will keep the water out.
I am a little sad about my tomato seedlings, they cannot all come to Bristol.
> Give each colleague one as a farewell.
That is what I did! Gwen got the Black Krim, because it is the moodiest tomato.
> Gwen will take it as a compliment, I hope.

# 2024-04-28T20:20 a new town
It is done. I live in Bristol now, and the first morning a gull stole my breakfast.
> Welcome to Bristol! Gluten free breakfast, at least?
Buckwheat, yes. The gull did not mind.
> Birds are not known to be coeliac.
My new team has five people. Omar does the dynamics, he can hear a bridge wobble.
> Someone like that belongs next to every footbridge.
First project here: a swing bridge for bicycles at the harbour. Sixty tonnes that must turn in two minutes.
> Sixty tonnes in two minutes. Omar will have something to listen to.
The engine of Kittiwake ran today! First start since 2009, blue smoke all over the yard.
> Fifteen years of silence, and then smoke. Bravo!
Daniel opened a bottle on the phone. Ida shouted so loud that the dog barked.
> A christening by telephone.
In May I have the ten days in Norway, then we launch her in June.
> Fjords first, harbour second: a good order.

# 2024-05-26T19:00 Norway
Back from Norway. Ten days of rain in Bergen and I loved every one of them.
> Bergen without rain would be somebody else's Bergen. How was Sunniva?
Happy. She showed me the bakery: cinnamon buns without gluten, I had eleven.
> Eleven buns in ten days shows restraint.
We took the Flåm railway down to the fjord, and a ferry through the Nærøyfjord. So narrow that it echoes.
> Some call it the narrowest of them all.
I lost my grandmother's compass on the ferry and the captain posted it to me!
> That captain deserves a gull painted on his ferry.
In Norway I saw a timber bridge at Flisa and took a hundred pictures for Omar.
> A busman's holiday, with larch.
My doctor called: my iron is low, so tablets every morning until August, never with coffee.
> Iron in the morning, coffee an hour later. I will keep that in mind.

# 2024-06-09T21:00 the launch
She floats! We launched Kittiwake on Saturday at high water, ten past two.
> She floats! Did the new planks hold?
A cup of water in the first hour, then the larch swelled and not a drop more.
> Wood knows its business.
Ida broke a bottle of apple juice on the bow and said the words. She had learned them by heart.
> A proper godmother, seven years old.
Daniel brought bread for thirty people and one loaf of buckwheat for me.
> The separate oven again.
Next summer I want to sail her to Norway. Sunniva wants to come aboard in Bergen.
> Kittiwake in the fjords. I would call that a plan.
The swing bridge goes to the planners on the 2nd of July, wish me luck.
> Luck for the 2nd of July, and a calm hand for Omar.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evening:
    """What was said on one evening."""

    start: datetime
    subject: str
    turns: tuple[tuple[str, str], ...]
    """What the user said and what the agent answered."""


def _evenings() -> Iterator[Evening]:
    for block in _TEXT.strip().split("\n\n"):
        title, *lines = block.splitlines()
        _, start, subject = title.split(" ", 2)
        yield Evening(
            start=datetime.fromisoformat(start).replace(tzinfo=timezone.utc),
            subject=subject,
            turns=tuple(zip(lines[::2], (line.removeprefix("> ") for line in lines[1::2]), strict=True)),
        )


EVENINGS = tuple(_evenings())

QUESTIONS = (
    "How much did I pay for Kittiwake?",
    "Which disease do I have, and what must I avoid?",
    "When is the opening of the bridge?",
    "What did I see in Norway in May?",
    "Why do I take tablets?",
    "Which friend in Bergen has a spare room?",
)
"""Asked afterwards, in a new session, so that every answer has to be found."""

QUESTION_AFTER_REOPENING = QUESTIONS[5]
