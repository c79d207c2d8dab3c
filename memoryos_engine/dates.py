"""The stretches of time that a question names: "in May 2023", "on 4 May", "last week".

Months by name in several languages, numeric dates, and a few words relative to now.
Names that are also ordinary words ("may", "march") or abbreviations count only beside
a number or after a word such as "in". What is not understood names no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from memoryos_engine.lexical import normalise

Span = tuple[float, float]

_MONTHS = """
january jan januar janvier enero gennaio janeiro januari ocak stycznia января январь ژانویه يناير जनवरी
february feb februar février febrero febbraio fevereiro februari şubat lutego февраля февраль فوریه فبراير फरवरी
march mar märz mars marzo março maart mart marca марта март مارس मार्च
april apr avril abril aprile nisan kwietnia апреля апрель آوریل أبريل अप्रैल
may mai mayo maggio maio mei mayıs maja мая май مه مايو मई
june jun juni juin junio giugno junho haziran czerwca июня июнь ژوئن يونيو जून
july jul juli juillet julio luglio julho temmuz lipca июля июль ژوئیه يوليو जुलाई
august aug août agosto augustus ağustos sierpnia августа август اوت أغسطس अगस्त
september sep sept septembre septiembre settembre setembro eylül września сентября сентябрь سپتامبر سبتمبر सितंबर
october oct oktober octobre octubre ottobre outubro oktober ekim października октября октябрь اکتبر أكتوبر अक्टूबर
november nov novembre noviembre novembro kasım listopada ноября ноябрь نوامبر نوفمبر नवंबर
december dec dezember décembre diciembre dicembre dezembro aralık grudnia декабря декабрь دسامبر ديسمبر दिसंबर
"""
_AMBIGUOUS = frozenset(
    normalise(w)
    for w in "may march april june august mai mars marca mart mei maja ocak nisan ekim kasım jan feb mar"
    " apr jun jul aug sep sept oct nov dec julio augustus avril abril marzo мая май март مه اوت मई".split()
)
_CUES = frozenset(
    normalise(w)
    for w in "in of on since until till before after during late early mid last this next from"
    " between im am seit bis vor nach en de em di da a le el в с до после در از تا قبل بعد في منذ".split()
)
_RELATIVE = """
today heute aujourd'hui hoy oggi hoje bugün сегодня امروز اليوم आज 今天 今日 오늘:0 0
yesterday gestern hier ayer ieri ontem dün вчера دیروز أمس 昨天 昨日 어제:1 1
last_week letzte_woche la_semaine_dernière la_semana_pasada geçen_hafta на_прошлой_неделе هفته_گذشته هفته_پیش هفته_قبل 上周 上星期 先週 지난주:14 1
this_week diese_woche cette_semaine esta_semana bu_hafta на_этой_неделе این_هفته 这周 本周 今週 이번주:7 0
last_month letzten_monat le_mois_dernier el_mes_pasado geçen_ay в_прошлом_месяце ماه_گذشته ماه_پیش ماه_قبل 上个月 先月 지난달:62 1
this_month diesen_monat ce_mois este_mes bu_ay в_этом_месяце این_ماه 这个月 本月 今月 이번달:31 0
"""
_MONTH_OF = {
    normalise(name): number for number, line in enumerate(_MONTHS.strip().splitlines(), 1) for name in line.split()
}
_DAYS_BACK = {
    normalise(phrase.replace("_", " ")): (int(days.split()[0]), int(days.split()[1]))
    for phrases, _, days in (line.partition(":") for line in _RELATIVE.strip().splitlines())
    for phrase in phrases.split()
}
_JALALI_MONTHS = [
    normalise(name) for name in "فروردین اردیبهشت خرداد تیر مرداد شهریور مهر آبان آذر دی بهمن اسفند".split()
]
_JALALI_YEAR = re.compile(r"(?<!\d)1[34]\d\d(?!\d)")
_ISO = re.compile(r"(?<!\d)((?:19|20)\d\d)[-/](\d{1,2})(?:[-/](\d{1,2}))?(?!\d)")
_DOTTED = re.compile(r"(?<!\d)(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)(?!\d)")
_EAST_ASIAN = re.compile(r"(?:((?:19|20)\d\d)\s*[年년]\s*)?(?<!\d)(\d{1,2})\s*[月월](?:\s*(\d{1,2})\s*[日号號일])?")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_EZAFE = re.compile("(?<=\\w)ه ی(?= )")  # the informal spelling of the link between two words
_AGO = re.compile(r"\b(\d{1,4}) (day|week|month)s? ago\b")
_DAYS_IN = {"day": 1, "week": 7, "month": 30}
_TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)?")
_ORDINAL = frozenset(("st", "nd", "rd", "th"))
_BETWEEN = frozenset((*_ORDINAL, "of", "de", "do", "the"))


def date_spans(text: str, now: float, first: float) -> list[Span]:
    """The spans a question names, in seconds; a month without a year is that of every year kept.

    ``first`` is the time of the oldest page. Times are read as UTC; the ranking's days
    of grace cover the difference.
    """
    text = normalise(text)
    years = [int(year) for year in _YEAR.findall(text)]
    known = years or list(range(_moment(first).year, _moment(now).year + 1))
    tokens = _TOKEN.findall(text)
    solar = [int(year) + 621 for year in _JALALI_YEAR.findall(text)] or known
    named = [*_numeric(text, known), *_by_name(tokens, known), *_jalali(tokens, solar)]
    return named or [_span(year) for year in years if year > 1900] or list(_relative(text, now))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _span(year: int, month: int = 0, day: int = 0) -> Span:
    """The day, or the month if the day is 0, or the year; dates that are none raise ValueError."""
    start = datetime(year, month or 1, day or 1, tzinfo=timezone.utc)
    if day:
        end = start + timedelta(days=1)
    elif month:
        end = (start + timedelta(days=31)).replace(day=1)
    else:
        end = start.replace(year=year + 1)
    return start.timestamp(), end.timestamp()


def _valid(years: list[int], month: int, day: int) -> Iterator[Span]:
    for year in years:
        try:
            yield _span(year, month, day)
        except ValueError:  # 30 February, or month 13: not a date after all
            continue


def _numeric(text: str, years: list[int]) -> Iterator[Span]:
    for year, month, day in _ISO.findall(text):
        yield from _valid([int(year)], int(month), int(day or 0))
    for day, month, year in _DOTTED.findall(text):
        yield from _valid([int(year)], int(month), int(day))
    for year, month, day in _EAST_ASIAN.findall(text):
        yield from _valid([int(year)] if year else years, int(month), int(day or 0))


def _by_name(tokens: list[str], years: list[int]) -> Iterator[Span]:
    """A month's name with the day before or after it: "4th of May", "May 4"."""
    for at, token in enumerate(tokens):
        month, day = _MONTH_OF.get(token), _day_beside(tokens, at)
        if month and (token not in _AMBIGUOUS or day is not None):
            yield from _valid(years, month, day or 0)


def _day_beside(tokens: list[str], at: int) -> int | None:
    """The day of the month named beside a token; 0 if only a year or a cue is; None if nothing."""
    before = [t for t in tokens[max(0, at - 3) : at] if t not in _BETWEEN]
    beside = [*before[-1:], *tokens[at + 1 : at + 2]]
    numbers = [int(t) for t in beside if t.isdecimal() and len(t) <= len("2024")]
    if not numbers and not _CUES.intersection(tokens[max(0, at - 1) : at]):
        return None
    return next((n for n in numbers if 1 <= n <= 31), 0)


def _jalali(tokens: list[str], years: list[int]) -> Iterator[Span]:
    """Months of the Persian calendar; ``years`` are those in which its new year falls.

    The year starts on 20 or 21 March; a day's difference is within the ranking's grace.
    """
    for at, token in enumerate(tokens):
        day = _day_beside(tokens, at) if token in _JALALI_MONTHS else None
        if day is None:
            continue
        month = _JALALI_MONTHS.index(token)
        start = 31 * month - max(0, month - 6) + max(0, day - 1)
        for year in years:
            first = datetime(year, 3, 21, tzinfo=timezone.utc) + timedelta(days=start)
            yield first.timestamp(), (first + timedelta(days=1 if day else 31)).timestamp()


def _relative(text: str, now: float) -> Iterator[Span]:
    """Words such as "yesterday", which count from the day of asking."""
    text = _EZAFE.sub("ه", text)
    midnight = _moment(now).replace(hour=0, minute=0, second=0, microsecond=0)
    for phrase, (start, end) in _DAYS_BACK.items():
        if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) or (ord(phrase[0]) > 0x2E80 and phrase in text):
            yield _back(midnight, start, end)
    for number, unit in _AGO.findall(text):
        days = int(number) * _DAYS_IN[unit]
        yield _back(midnight, days, days)


def _back(midnight: datetime, start: int, end: int) -> Span:
    first, last = midnight - timedelta(days=start), midnight - timedelta(days=end - 1)
    return first.timestamp(), last.timestamp()
