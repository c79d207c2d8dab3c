"""Openings and endings that tell a statement from a question, a request or a courtesy: data per language.

Each table is a set of alternatives; `_any` joins them into one expression. They are
searched in single sentences, never in whole pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType


def _any(*alternatives: str, opening: bool = False) -> re.Pattern[str]:
    joined = "|".join(alternatives)
    return re.compile(rf"^\W*(?:{joined})" if opening else rf"(?:{joined})", re.IGNORECASE)


_NULLS = """
    none, null, nil, nan, n/a, na, undefined, unknown, empty, nothing, tbd, todo, not available, not applicable, no data
    no response, 无, 没有, 暂无, 空, なし, 特になし, 該当なし, 없음, هیچ, هیچی, ندارد, ندارم, نامشخص, لا شيء
    لا يوجد, कुछ नहीं, yok, hiçbiri, bilinmiyor, keine, keins, nichts, unbekannt, aucun, aucune, rien, inconnu, ninguno
    ninguna, nada, desconocido, nenhum, nessuno, niente, нет, ничего, неизвестно
    """
NULL_TEXTS = frozenset(re.split(r"\s*[,\n]\s*", _NULLS.strip()))
"""Case-folded, without punctuation around."""

ERROR_OPENING = _any(
    r"(?:\w{0,40})(?:error|exception)(?: code)?\b\s*(?:[:：(\d]|$)",
    r"traceback\b|warning\s*:|failed to |unable to |internal server error|rate limit|bad gateway|service unavailable",
    r"(?:http )?[45]\d\d\b|timeout\b|request (?:timed out|failed)|an? (?:unexpected )?error (?:occurred|has)",
    r"fehler\s*:|erreur\s*:|error\s*:|hata\s*:|خطا\s*:|خطأ\s*:|त्रुटि\s*:|错误\s*[:：]|エラー\s*[:：]|ошибка\s*:",
    opening=True,
)

GREETING = _any(
    r"(?:hi|hello|hey|good (?:morning|evening|afternoon)|greetings|hallo|guten (?:tag|morgen|abend)|servus|moin|bonjour|"
    r"bonsoir|salut|coucou|hola|buen[oa]s|olá|ciao|merhaba|selam|iyi günler|привет|здравствуйте)\b",
    r"(?:سلام|درود|مرحبا|أهلا|اهلا|السلام|नमस्ते|नमस्कार|हैलो|हेलो)(?!\w)",
    r"你好|您好|大家好|嗨|こんにちは|こんばんは|はじめまして|初めまして|おはよう|안녕",
    opening=True,
)

THANKS = _any(
    r"(?:many )?thanks\b|thank (?:you|u)\b|thx\b|danke\b|vielen dank|merci\b|(?:muchas )?gracias|te[sş]ekk[uü]r",
    r"obrigad[oa]|(?:grazie|tack|bedankt|dank je)\b|спасибо|дякую|ممنون|مرسی|متشکر|شكرا|धन्यवाद|शुक्रिया|谢谢|多谢|感谢",
    r"ありがと|どうも|감사|고마",
    opening=True,
)

QUESTION = _any(
    r"^\W*(?:what|how|why|who|whom|whose|where|which)(?:'s|'re)?\b(?! about me)",
    r"^\W*(?:when|and|so|but|or)? ?(?:can|could|would|will|do|does|did|is|are|am|was|were|have|has|should|may|shall) "
    r"(?:you|i|we|there|it|this|that|these|those|he|she|they|my|your|the|any|anyone|someone)\b",
    r"^\W*(?:wer|wie|warum|wieso|weshalb|welche[rsmn]?|wohin|woher)\b|^\W*(?:kannst|könntest|hast|bist|weißt) du\b",
    r"\best-ce qu|^\W*(?:pourquoi|comment|combien|quels?|quelles?|qui|où)\b",
    r"^\W*(?:peux|pouvez|pourrais|as)-(?:tu|vous)",
    r"¿|^\W*(?:qué|cómo|cuándo|dónde|cuál|cuánto|quién)\b",
    r"\b(?:mı|mi|mu|mü)(?:sın|sin|sun|sün|yım|yim|yız|yiz|dır|dir)?\s*[.]?$|^\W*(?:nasıl|neden|niçin|hangi|nerede|kim)\b",
    r"^\W*(?:آیا|چرا|چطور|چگونه|کجا|کدام|چند|چه)\s|\b(?:چیست|چیه|کجاست|کیست)\W*$",
    r"^\W*(?:هل|ماذا|لماذا|كيف|أين|متى|من هو|من هي|ما هو|ما هي|كم)\s",
    r"^\W*(?:क्या|क्यों|कैसे|कब|कहाँ|कौन)\s|(?:^|\s)(?:क्या|क्यों|कैसे|कौन|कहाँ)(?:\s+\S+)?\s*है",
    r"(?:吗|呢|么|嘛)\W*$|什么|怎么|为何|如何|多少|哪(?:里|个|些|儿)|几点|是不是|能不能|可不可以|有没有",
    r"(?:ですか|ますか|でしょうか|ましたか|ませんか|のか|かな)\W*$|^\W*(?:なぜ|どう|何|どこ|いつ|誰)",
    r"^\W*(?:что|как|почему|зачем|где|когда|кто|какой|какая|какие|сколько)\s",
)

REQUEST = _any(
    r"^\W*(?:please|pls|write|rewrite|tell|explain|show|give|help|summari[sz]e|translate|create|generate|make me|list|"
    r"find|describe|suggest|recommend|remind|compare|draft|fix|let's|let us|let me|imagine|pretend|act as|remember to|"
    r"add|remove|change|convert|calculate|check|continue|ignore|answer|respond|reply|use|try|look|keep|have a|"
    r"take care)\b",
    r"\bi(?:'d| would) like you to\b|\bi (?:want|need) you to\b|\bwas wondering if\b|\bcan you\b|\bcould you\b",
    r"^\W*(?:bitte|schreibe?|erkläre?|hilf|gib|zeige?|sag|erzähle?|übersetze?|fasse|nenne|mach)\b",
    r"^\W*(?:écris|explique|aide|donne|montre|dis|raconte|traduis|résume)(?:z|-moi)?\b|s'il (?:te|vous) pla[iî]t",
    r"^\W*(?:escribe|explica|ayuda|ayúdame|dame|dime|cuéntame|muéstrame|traduce|resume|por favor)\b",
    r"^\W*lütfen|\b(?:yaz|anlat|açıkla|söyle|çevir|öner|göster)(?:ır mısın|ar mısın|er misin|ir misin)?\W*$",
    r"^\W*(?:لطفا|لطفاً)|(?:بنویس|کمک کن|کمکم کن|بگو|بگید|توضیح بده|ترجمه کن|پیشنهاد بده|بده)(?:ید)?\W*$",
    r"من فضلك|لو سمحت|^\W*(?:اكتب|أكتب|اشرح|ساعدني|أخبرني|اخبرني|ترجم|لخص|أعطني|اعطني|اقترح)\b",
    r"कृपया|(?:बताओ|बताइए|बताएं|कीजिए|कीजिये|दीजिए|लिखो|लिखिए|करो|दो)\W*$",
    r"^\W*(?:请|帮|写|告诉|给我|翻译|解释|推荐|介绍|列出|总结)|帮我|你能|你可以|麻烦你",
    r"(?:ください|下さい|お願いします|教えて|してくれ|してほしい)\W*$",
    r"^\W*(?:пожалуйста|напиши|расскажи|объясни|помоги|покажи|переведи|дай|скажи|посоветуй)\w{0,3}\b",
)

FIRST_PERSON: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "en": _any(r"\b(?:i|i'm|im|i've|ive|i'd|i'll|my|mine|myself|we|we're|we've|we'll|our|ours)\b"),
        "de": _any(r"\b(?:ich|mein(?:e[nmrs]?)?|wir|unser(?:e[nmrs]?)?|mir|mich)\b"),
        "fr": _any(r"\b(?:je|j'|j’|mon|ma|mes|nous|notre|nos|moi)(?:\b|(?<=['’]))"),
        "nl": _any(r"\b(?:ik|mijn|wij|we|ons|onze|mij)\b"),
        "sv": _any(r"\b(?:jag|min|mitt|mina|vi|vår|våra|mig)\b"),
    }
)
"""Only languages that always name the subject; elsewhere the verb may carry the person."""

SECOND_PERSON = _any(
    r"\b(?:you|your|yours|you're|you've|you'll|you'd|dich|dir|deine?[nmrs]?|vous|votre|usted|ustedes|sizin|senin)\b",
    r"[你您]|あなた|(?<!\w)(?:شما|أنت|आप|तुम|вы|ты|тебя|вас)(?!\w)",
)

REPORT_CUE = _any(
    r"\b(?:live|living|moved|born|work|working|study|studying|studied|graduated|married|divorced|engaged|allergic|"
    r"vegetarian|vegan|diagnosed|own|bought|adopted|named|called|birthday|anniversary|favou?rite|prefer|love|hate|"
    r"dislike|enjoy|play|training|learning|planning|started|joined|quit|hired|promoted|signed up|always|never|usually|"
    r"wife|husband|partner|son|daughter|kids|children|mother|father|mom|mum|dad|sister|brother|dog|cat|job|degree)\b",
    r"\b(?:wohne|arbeite|heiße|liebe|hasse|verheiratet|allergisch|Lieblings\w*|Geburtstag|Tochter|Sohn|Frau|Mann|Hund|Katze)\b",
    r"\b(?:habite|travaille|m'appelle|adore|déteste|préfère|allergique|anniversaire|marié|mariée|fille|fils|chien|chat)\b",
    r"\b(?:vivo|trabajo|llamo|encanta|odio|prefiero|alérgic[oa]|cumpleaños|casad[oa]|hij[oa]s?|perro|gato)\b",
    r"yaşıyorum|çalışıyorum|seviyorum|nefret|alerjim|evliyim|kızım|oğlum|köpeğim|kedim|doğum günü",
    r"زندگی|کار می|دوست دارم|متنفر|حساسیت|ازدواج|متاهل|دخترم|پسرم|همسرم|تولد|خواهرم|برادرم",
    r"أعيش|اعيش|أعمل|اعمل|أحب|احب|أكره|حساسية|متزوج|ابني|ابنتي|زوجتي|زوجي|ولدت|عيد ميلاد",
    r"रहता|रहती|काम करता|काम करती|पसंद|नफ़रत|एलर्जी|शादी|बेटा|बेटी|पत्नी|पति|जन्मदिन",
    r"住在|工作|喜欢|讨厌|过敏|结婚|生日|女儿|儿子|妻子|老婆|丈夫|老公|出生|毕业|养了",
    r"\b(?:abito|lavoro|amo|odio|preferisco|moro|trabalho|gosto|adoro|prefiro|mieszkam|pracuję|lubię|tinggal|suka)\b",
    r"\b(?:живу|работаю|люблю|ненавижу|предпочитаю|аллергия|замужем|женат|сын|дочь|собака|кошка|живу|працюю)\b",
    r"살아요|삽니다|일해요|일합니다|좋아|싫어|알레르기|결혼|생일|태어났",
    r"住んで|働いて|好き|嫌い|苦手|アレルギー|結婚|誕生日|娘|息子|妻|夫|生まれ|卒業|飼って",
)

RECOMMENDATION = _any(
    r"\b(?:i|we)(?:'d| would)? (?:strongly |highly |also )?(?:recommend|suggest|advise|propose)\b|\bi'd go with\b",
    r"\bmy (?:recommendation|suggestion|advice|favou?rite)\b|\byou (?:should|could try|might want to)\b",
    r"\bi (?:promise|will remind|can offer)\b|\bi'll (?:remind|remember|send|check|bring|book)\b|\bi (?:prefer|live|own)\b",
    r"\bich (?:empfehle|rate|schlage|würde)\b",
    r"\bje (?:recommande|conseille|suggère|propose|vous recommande|te conseille)\b",
    r"\b(?:te |le )?(?:recomiendo|sugiero|aconsejo|recomendaría)\b",
    r"\b(?:consiglio|suggerisco)\b|\b(?:recomendo|sugiro)\b",
    r"öneririm|öneriyorum|tavsiye ed|рекомендую|советую|предлагаю",
    r"پیشنهاد می|پیشنهاد من|توصیه می|أنصح|انصح|أقترح|اقترح عليك|أوصي|सुझाव|सलाह|सिफ़ारिश",
    r"建议|推荐|おすすめ|お勧め|オススメ|추천",
)
