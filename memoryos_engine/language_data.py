"""Word lists: the little that the engine knows about particular languages.

Two kinds, both small and both optional: a language that is missing here is still
indexed and found, because rare words outweigh common ones anyway.

* ``FUNCTION_WORDS`` tell a language from its neighbours (for the stemmer) and are
  left out of queries and documents. Only words that never carry a topic are listed:
  longer stop lists were measured and lost recall ("like", "own", "before" matter).
* ``ENGLISH_FORMS`` brings together what a suffix stemmer cannot: "went" and "go".
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS: dict[str, frozenset[str]] = {
    "english": _words(
        "a an the of to in on at is are was were be been and or do does did i you he she it we"
        " they my your his her its our their what when where who which how why have has had for"
        " with s t d m ll ve re don didn doesn isn wasn aren weren couldn wouldn haven hasn hadn"
    ),
    "german": _words(
        "der die das den dem des ein eine einen einem einer und oder ist sind war waren ich du er"
        " sie es wir ihr mein meine dein deine sein seine was wann wo wer wie warum welche welcher"
        " hat habe hast haben zu von mit für auf im am nicht"
    ),
    "french": _words(
        "le la les un une des du de et ou est sont était je tu il elle nous vous ils elles mon ma"
        " mes ton ta tes son sa ses que qui quoi quand où comment pourquoi quel quelle a as ai ont"
        " avec pour dans sur au aux ce cette en se ne pas l d j m t s c n qu"
    ),
    "spanish": _words(
        "el la los las un una unos unas de del y o es son era fue yo tú él ella nosotros ellos mi"
        " mis tu tus su sus qué que cuándo dónde quién cómo cuál ha he han con para por en al se"
        " cuando donde quien como cual no me te"
    ),
    "italian": _words(
        "il lo la gli le un una uno di del della dei delle e o è sono era io tu lui lei noi voi"
        " loro mio mia tuo tua suo sua che chi cosa quando dove come perché quale ha ho hanno con"
        " per nel nella al alla non mi ti si l d un dell nell all c"
    ),
    "portuguese": _words(
        "o a os as um uma de do da dos das e ou é são era foi eu tu você ele ela nós eles meu minha"
        " seu sua que quem quando onde como qual tem com para por no na em ao não me se"
    ),
    "dutch": _words(
        "de het een en of is zijn was waren ik jij je hij zij ze wij we mijn jouw wat wanneer waar"
        " wie hoe waarom welke heeft heb hebben met voor op aan van te niet"
    ),
    "swedish": _words(
        "en ett och eller är var jag du han hon vi ni de min mitt din ditt vad när vem hur varför"
        " vilken har hade med för på av till att som inte det den"
    ),
    "danish": _words(
        "en et og eller er var jeg du han hun vi de min mit din dit hvad hvornår hvor hvem hvordan"
        " hvorfor hvilken har havde med for på af til at som ikke det den"
    ),
    "norwegian": _words(
        "en et og eller er var jeg du han hun vi de min mitt din ditt hva når hvor hvem hvordan"
        " hvorfor hvilken har hadde med for på av til å som ikke det den"
    ),
    "turkish": _words(
        "bir ve veya ile ben sen o biz siz onlar benim senin onun ne zaman nerede kim nasıl neden"
        " niçin hangi mi mı mu mü için de da bu şu var çok"
    ),
    "indonesian": _words(
        "yang dan atau adalah saya aku kamu dia kami kita mereka apa kapan dimana siapa bagaimana"
        " mengapa di ke dari untuk dengan itu ini pada"
    ),
    "romanian": _words(
        "un o și sau este sunt era eu tu el ea noi voi ei meu mea tău ce când unde cine cum de la"
        " cu pentru în pe care nu am ai a"
    ),
    "polish": _words(
        "i lub jest są był była ja ty on ona my wy oni mój moja twój co kiedy gdzie kto jak"
        " dlaczego z w na do dla się nie to że ten ta"
    ),
    "hungarian": _words("a az egy és vagy van volt én te ő mi ti ők mit mikor hol ki hogyan miért melyik nem hogy is"),
    "finnish": _words("ja tai on oli ovat minä sinä hän me te he mitä milloin missä kuka miten miksi mikä ei että"),
    "czech": _words(
        "a nebo je jsou byl byla já ty on ona my vy oni můj co kdy kde kdo jak proč v na do pro se ne to že ten ta"
    ),
    "russian": _words(
        "и или в во на с со к у о об от до за из по не я ты он она мы вы они мой моя твой его её"
        " ее их что когда где кто как почему какой какая какие это был была было были есть для а но"
    ),
    "greek": _words(
        "ο η το οι τα του της των τον την και ή είναι ήταν εγώ εσύ μου σου του τι πότε πού ποιος"
        " πώς γιατί με σε για από στο στη στην να δεν"
    ),
    "persian": _words(
        "از به در با را که و یا این ان یک من تو او ما شما انها ایشان است بود هست شد چه چی کی کجا"
        " چرا چطور چگونه کدام ایا برای تا هم ها های می نمی ام ای اش ات"
    ),
    "arabic": _words(
        "من الی الي علی علي عن فی في مع و او هو هی هي انا انت نحن هم هذا هذه ذلک ذلك التی التي الذی"
        " الذي ما ماذا متی متي این اين کیف كيف لماذا هل کان كان کانت كانت ان لا قد"
    ),
    "hindi": _words(
        "का की के को में से पर और या है हैं था थी थे मैं तुम आप वह वे हम मेरा मेरी तुम्हारा क्या कब कहाँ कहां कौन कैसे क्यों ने यह ये भी तो"
    ),
    "han": _words("的 了 吗 呢 吧 啊 我 你 您 他 她 它 们 是 在 有 和 就 也 都 很 不 什 么 哪 谁 嗎 們 什 麼 誰"),
    "hiragana": _words("の は が を に で と も た だ て ね よ か な し い う る す ま"),
}

_IRREGULAR = """
become became|begin began begun|bite bit bitten|blow blew blown|break broke broken|bring brought
|build built|burn burnt|buy bought|catch caught|choose chose chosen|come came|deal dealt|dig dug
|draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen
|feed fed|feel felt|fight fought|find found|fly flew flown|forget forgot forgotten
|forgive forgave forgiven|freeze froze frozen|get got gotten|give gave given|go went gone goes
|grow grew grown|hang hung|hear heard|hide hid hidden|hold held|keep kept|know knew known|lay laid
|lead led|learn learnt|leave left|lend lent|lose lost|make made|mean meant|meet met|pay paid
|ride rode ridden|ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought
|sell sold|send sent|shake shook shaken|shine shone|shoot shot|show shown|sing sang sung
|sink sank sunk|sit sat|sleep slept|speak spoke spoken|spend spent|stand stood|steal stole stolen
|stick stuck|strike struck|swear swore sworn|swim swam swum|swing swung|take took taken
|teach taught|tear tore torn|tell told|think thought|throw threw thrown|understand understood
|wake woke woken|wear wore worn|win won|write wrote written
|child children|person people|man men|woman women|foot feet|tooth teeth|mouse mice|life lives
|wife wives|knife knives|leaf leaves|half halves|shelf shelves
"""


def _leaders(table: str) -> dict[str, str]:
    """Every form with the word that stands for its group."""
    groups = [group.split() for group in table.split("|")]
    return {form: group[0] for group in groups for form in group}


ENGLISH_FORMS: dict[str, str] = _leaders(_IRREGULAR)
