"""Words that carry no topic, per language: data, and the guess of a language from them.

The lists are short on purpose: the words that fill half of any text. A word missing
here only makes a keyword or a summary a little worse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

_TABLES: dict[str, str] = {
    "en": """
    a an the and or but nor so yet if then than because as while although though until unless of at by for with about
    against between into through during before after above below to from up down in out on off over under again
    further once here there when where why how all any both each few more most other another some such no not only
    own same too very can could will would shall should may might must ought do does did doing done have has had
    having be am is are was were been being i me my mine myself we us our ours ourselves you your yours yourself he
    him his himself she her hers herself it its itself they them their theirs themselves this that these those who
    whom whose which what also just even still ever never always often sometimes i'm i've i'd i'll you're you've
    you'd you'll he's she's it's we're we've we'd we'll they're they've they'd they'll that's there's here's what's
    who's let's don't doesn't didn't isn't aren't wasn't weren't haven't hasn't hadn't won't wouldn't can't cannot
    couldn't shouldn't mustn't im ive dont doesnt didnt cant wont one onto upon within without across around toward
    towards per via however else whether either neither much many lot lots lot's bit since gonna gotta wanna 'cause cause how's where's when's""",
    "de": """
    der die das den dem des ein eine einen einem einer eines und oder aber denn sondern wenn als ob weil dass daß damit
    obwohl während ich du er sie es wir ihr mich dich sich uns euch mir dir ihm ihn ihnen mein meine meinen meinem
    meiner dein deine deinen deinem deiner sein seine seinen seinem seiner unser unsere euer eure ihre ihren ihrem
    ihrer in im an am auf aus bei beim mit nach seit von vom zu zum zur für gegen ohne um durch über unter vor hinter
    neben zwischen ist sind war waren bin bist seid wird werden wurde worden habe hast hat haben hatte hatten kann
    kannst können könnte muss müssen soll sollte will wollen würde mag möchte nicht kein keine keinen auch nur noch
    schon sehr so wie was wer wo wann warum welche welcher hier da dort dann doch mal man etwas nichts immer nie viel
    mehr diese dieser dieses diesen jetzt heute ja nein""",
    "fr": """
    le la les l un une des de du d et ou mais donc or ni car si que qui quoi dont où quand comme je tu il elle on nous
    vous ils elles me te se lui leur leurs moi toi mon ma mes ton ta tes son sa ses notre nos votre vos ce cet cette
    ces cela ça à au aux en dans sur sous par pour avec sans entre vers chez depuis pendant est sont suis es sommes
    êtes était étaient être été ai as a avons avez ont avait avoir eu fait faire peut peux ne pas plus très bien aussi
    tout tous toute toutes même encore déjà y c'est j'ai n'est qu'il j'aime d'un d'une non oui quel quelle""",
    "es": """
    el la los las un una unos unas lo al del de y e o u pero sino si que qué quien quién cual cuál cuando cuándo donde
    dónde como cómo porque por para con sin sobre entre hasta desde hacia en a yo tú tu él ella ello nosotros vosotros
    ellos ellas usted ustedes me te se nos os le les mi mis tus su sus nuestro nuestra mío mía este esta esto estos
    estas ese esa eso esos esas aquel aquella es son soy eres somos era eran ser sido está están estoy estaba estar
    he has ha hemos han había haber hay tengo tiene tener puedo puede no sí muy más menos ya también tampoco todo
    toda todos todas algo nada siempre nunca aquí allí""",
    "pt": """
    o os a as um uma uns umas do da dos das no na nos nas ao aos à às pelo pela de em por para com sem sobre entre até
    desde e ou mas se que quem qual quando onde como porque eu tu ele ela nós vós eles elas você vocês me te lhe meu
    minha meus minhas teu tua seu sua seus suas nosso nossa este esta isto esse essa isso aquele aquela é são sou era
    eram ser foi está estão estou estava estar tenho tem ter há não sim muito mais menos já também tudo todos todas""",
    "it": """
    il lo la i gli le un uno una di a da in con su per tra fra del dello della dei degli delle al allo alla ai agli
    alle dal dalla nel nella nei sul sulla e ed o ma se che chi cui quale quando dove come perché io tu lui lei noi
    voi loro mi ti si ci vi ne mio mia miei mie tuo tua suo sua nostro vostro questo questa questi queste quello
    quella è sono sei siamo siete era erano essere stato ho hai ha abbiamo hanno aveva avere non sì più molto anche
    già sempre mai tutto tutti""",
    "nl": """
    de het een en of maar want als dat die dit deze wie wat waar wanneer waarom hoe ik jij je u hij zij ze wij we jullie
    hen hun hem haar mij me mijn jouw uw zijn ons onze in op aan met van voor door over onder bij naar uit tot om te
    tegen zonder tussen is ben bent was waren wordt worden werd heb hebt heeft hebben had kan kunnen moet zal zou wil
    niet geen ook nog al wel er hier daar dan toch zo zeer veel meer""",
    "sv": """
    och eller men att som en ett den det de dem i på av för med till från om under över mellan utan jag du han hon vi ni
    mig dig sig oss min mitt mina din ditt sin sitt vår är var vara varit har hade ha kan ska skulle vill måste inte
    också mycket mer när där här hur vad vem varför så bara""",
    "tr": """
    ve veya ya da de ile için gibi ama fakat ancak çünkü ki mi mı mu mü ben sen o biz siz onlar bana sana ona bize size
    beni seni onu benim senin onun bizim sizin bu şu bir iki her hiç çok az daha en kadar sonra önce şimdi var yok
    değil ne kim nasıl neden niçin nerede hangi olarak olan oldu olduğu olur ise eğer bile hem göre evet hayır""",
    "ru": """
    и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по ее её мне было вот от меня еще ещё
    нет о из ему теперь когда даже ну ли если уже или ни быть был него до вас опять вам ведь там потом себя ничего ей
    может они тут где есть надо ней для мы тебя их чем была сам чтоб без чего тоже себе под будет тогда кто этот того
    потому этого какой ним здесь этом один мой моя моё мои тем чтобы нее были куда зачем всех можно при об это очень""",
    "fa": """
    و در به از که این آن را با است هست برای تا هم یک یا اما ولی اگر چون من تو او ما شما آنها ایشان خود خودم می نمی های
    ها هستم هستی هستند هستیم بود بودم بودند شد شده شدم باشد باشم دارم دارد دارند داشتم کرد کردم کرده کنم کند میکنم
    می‌کنم می‌کند میکند کردن بر چه چرا چطور کجا کی کدام نیز نه بله آره خیلی بسیار هر همه هیچ دیگر فقط پس حالا الان روی زیر
    بین عنوان رو تون مون اینه هستش""",
    "ar": """
    في من على إلى الى عن مع هذا هذه ذلك تلك هو هي هم أنا انا أنت نحن أن ان إن إنّ كان كانت يكون لا ما لم لن ليس قد كل بعض
    أو او ثم لكن بل حتى إذا اذا لو كيف متى أين اين لماذا ماذا هل الذي التي الذين عند عندي لدي بعد قبل بين تحت فوق جدا
    أيضا ايضا غير كما لأن لان و ف ب ل ك يا نعم هناك هنا فقط حيث به بها له لها لي فيه فيها عليه""",
    "hi": """
    और का की के को में से पर है हैं हूँ हूं था थी थे हो होता होती होते कर करता करती करते किया करना रहा रही रहे गया गई गए यह
    वह ये वे मैं मैंने हम तुम आप मेरा मेरी मेरे मुझे हमारा तुम्हारा आपका उस इस उसका इसका जो कि या लेकिन मगर अगर तो भी ही नहीं
    न क्या क्यों कैसे कब कहाँ कौन एक बहुत कुछ सब अब तब यहाँ वहाँ साथ लिए तक ने रूप बाद पहले काम लिये हाँ""",
    "ur": """
    اور کا کی کے کو میں سے پر ہے ہیں ہوں تھا تھی تھے نے یہ وہ ہم تم آپ میرا میری میرے مجھے کہ یا لیکن اگر تو بھی ہی نہیں
    کیا کیوں کیسے ایک بہت کچھ""",
    "id": """
    yang dan di ke dari untuk dengan pada adalah ini itu saya aku kamu anda dia kami kita mereka tidak bukan akan sudah
    telah bisa dapat ada juga atau tapi tetapi karena jika kalau seperti sangat lebih lagi saja apa siapa bagaimana""",
    "pl": """
    i w we na z ze do o od po za przez dla że to jest są był była było być nie tak jak co kto gdzie kiedy ale lub albo
    czy się ja ty on ona my wy oni mnie mi cię ci go jej ich mój moja moje twój jego ten ta te już też tylko bardzo""",
    "uk": """
    і й та в у на з із до від по за про для що це як але або чи не так він вона воно вони я ти ми ви мене мені тебе мій
    моя моє твій його її їх був була було бути є вже ще тільки дуже коли де хто""",
    "ko": """
    나는 내가 나 저는 제가 저 너 우리 그 이 저것 그것 이것 그리고 그러나 하지만 그래서 또 또는 수 것 있다 있어요
    있습니다 없다 없어요 입니다 이에요 예요 합니다 해요 했어요 하는 한 더 아주 정말 너무 좀 잘 안 못 네 아니요""",
}

FUNCTION_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _TABLES.items()}
)
"""ISO 639-1 code to lower-case words."""

ALL_FUNCTION_WORDS = frozenset().union(*FUNCTION_WORDS.values())

_SOCIAL = """
    hi hello hey hiya greetings morning afternoon evening bye goodbye welcome thanks thank thx please sorry ok okay
    yes yeah yep yup no nope wow haha hahaha lol hmm oh ah aw great awesome amazing nice cool wonderful glad
    appreciate congrats congratulations sure absolutely definitely totally exactly indeed hallo danke bitte gern
    gerne tschüss bonjour salut merci hola gracias adiós olá obrigado obrigada ciao grazie prego merhaba selam
    teşekkürler teşekkür sağol lütfen привет спасибо пожалуйста سلام ممنون مرسی متشکرم لطفا لطفاً درود خداحافظ مرحبا
    أهلا اهلا شكرا السلام عليكم नमस्ते नमस्कार धन्यवाद शुक्रिया कृपया 안녕하세요 안녕 감사합니다 고마워요 你好 您好
    谢谢 再见 嗨 こんにちは ありがとう ありがとうございます おはよう
    """
SOCIAL_WORDS = frozenset(_SOCIAL.split())
"""Greetings, thanks and fillers; they count neither as topic nor as content."""

_GENERIC = """
    know think thought feel feeling felt want wanted need needed like liked likes love loved loves get got gets
    getting go goes going gone went come came coming make makes making made take takes taking took say says said
    tell told talk talking talked see saw seen look looks looking looked find found give gave given try tried trying
    use used using help helps helped keep keeps kept let put seem seems work works working worked start started
    thing things something anything everything nothing someone anyone everyone people person way ways kind sort
    really actually maybe perhaps probably quite pretty almost enough already soon now today yesterday tomorrow
    tonight day days week weeks month months year years time times last next first second new old good better best
    bad big small long little right left back well real fun happy excited interesting important special different
    able sounds sound hear heard hope hoping guess mean means wonder remember believe enjoy enjoyed check share
    shared two three four five since ago machen gehen kommen sagen gut neu wirklich vielleicht bon bonne nouveau
    vraiment hacer bueno nuevo cosa cosas iyi güzel şey bugün dün yarın gün zaman خوب امروز دیروز فردا روز سال کار
    چیز اليوم أمس شيء يوم جيد आज कल दिन अच्छा
    """
GENERIC_WORDS = frozenset(_GENERIC.split())
"""Words too common to name a topic, though they do carry content in a sentence."""

CHINESE_BREAKS = (
    "一只|一条|一名|一位|为什么|什么|怎么|怎样|因为|所以|但是|可是|不过|而且|然后|如果|虽然|可以|可能|应该|已经|还是|或者|我们|你们|他们|她们|咱们"
    "|自己|这个|那个|这些|那些|一个|一些|一下|一点|没有|知道|觉得|时候|非常|真的|现在|[的了是我你您他她它们吗呢吧啊呀么这那哪"
    "个和与就都也很还又在不没有会能要想说去来对从到被把让给跟很太更最而且并为以及得地之其此叫]"
)
"""Where a run of Chinese breaks into topic words: alternatives of a regular expression."""


def likely_language(words: Collection[str]) -> str:
    """Return the ISO code whose function words are most frequent in `words` (lower case), or "" if none is there.

    Ties go to the language listed first.
    """
    hits = {language: sum(word in table for word in words) for language, table in FUNCTION_WORDS.items()}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] else ""
