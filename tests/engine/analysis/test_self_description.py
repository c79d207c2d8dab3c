from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryos_engine.analysis.self_description import ATTRIBUTES, self_descriptions


def described(text: str) -> set[tuple[str, str]]:
    return {(each.attribute, each.value) for each in self_descriptions(text)}


TOLD = [
    (
        "سلام! من تام هستم، به عنوان دانشمند داده در سانفرانسیسکو کار میکنم.",
        {("name", "تام"), ("occupation", "دانشمند داده"), ("workplace", "سانفرانسیسکو")},
    ),
    (
        "سلام! من تام هستم، به‌عنوان دانشمند داده در سانفرانسیسکو کار می‌کنم.",
        {("name", "تام"), ("occupation", "دانشمند داده"), ("workplace", "سانفرانسیسکو")},
    ),
    (
        "Hi! I'm Tom, I work as a data scientist in San Francisco.",
        {("name", "Tom"), ("occupation", "data scientist"), ("workplace", "San Francisco")},
    ),
    (
        "Hi! I’m Tom, and I live in Portland, Oregon.",
        {("name", "Tom"), ("home", "Portland, Oregon")},
    ),
    (
        "My name is anna and I'm a nurse at the General Hospital in Boston.",
        {("name", "anna"), ("occupation", "nurse"), ("workplace", "Boston")},
    ),
    ("My name is Anna Baker.", {("name", "Anna Baker")}),
    ("Hello, I'm Sarah O'Connor, can you help me?", {("name", "Sarah O'Connor")}),
    ("I work as a sales and marketing manager.", {("occupation", "sales and marketing manager")}),
    ("I'm 34 years old and I moved to Rome last year.", {("age", "34"), ("home", "Rome")}),
    ("I was born on May 4, 1990 in a small town.", {("birth_year", "1990")}),
    ("I'm from the Netherlands.", {("origin", "the Netherlands")}),
    (
        "I'm a woman. I'm married. We have two kids.",
        {("gender", "woman"), ("marital_status", "married"), ("children", "two kids")},
    ),
    ("My wife's name is Anna.", {("partner", "Anna")}),
    (
        "Ich heiße Jürgen Müller und arbeite als Lehrer in München.",
        {("name", "Jürgen Müller"), ("occupation", "Lehrer"), ("workplace", "München")},
    ),
    ("Hallo, ich bin Jonas. Ich wohne in Berlin.", {("name", "Jonas"), ("home", "Berlin")}),
    ("Ich bin Softwareentwicklerin. Ich bin 30 Jahre alt.", {("occupation", "Softwareentwicklerin"), ("age", "30")}),
    (
        "Bonjour, je m'appelle Zoé, j'habite à Lyon et je travaille comme infirmière.",
        {("name", "Zoé"), ("home", "Lyon"), ("occupation", "infirmière")},
    ),
    (
        "Je suis ingénieur logiciel à Paris. J'ai 40 ans.",
        {("occupation", "ingénieur logiciel"), ("workplace", "Paris"), ("age", "40")},
    ),
    (
        "Hola, soy María. Vivo en Ciudad de México. Trabajo como profesora en Puebla. Tengo 25 años.",
        {
            ("name", "María"),
            ("home", "Ciudad de México"),
            ("occupation", "profesora"),
            ("workplace", "Puebla"),
            ("age", "25"),
        },
    ),
    (
        "Ben Tom, San Francisco'da veri bilimci olarak çalışıyorum.",
        {("name", "Tom"), ("occupation", "veri bilimci"), ("workplace", "San Francisco")},
    ),
    (
        "Merhaba, adım Ayşe. İstanbul'da yaşıyorum. Ben öğretmenim. 30 yaşındayım.",
        {("name", "Ayşe"), ("home", "İstanbul"), ("occupation", "öğretmen"), ("age", "30")},
    ),
    ("اسم من سارا است و در تهران زندگی می‌کنم.", {("name", "سارا"), ("home", "تهران")}),
    ("من معلم هستم. من ۳۴ سال دارم.", {("occupation", "معلم"), ("age", "۳۴")}),
    (
        "مرحبا! أنا توم، أعمل كمهندس برمجيات في دبي.",
        {("name", "توم"), ("occupation", "مهندس برمجيات"), ("workplace", "دبي")},
    ),
    ("اسمي ليلى وأعيش في القاهرة. عمري 30 سنة.", {("name", "ليلى"), ("home", "القاهرة"), ("age", "30")}),
    (
        "नमस्ते! मैं टॉम हूँ, मैं सैन फ्रांसिस्को में डेटा वैज्ञानिक के रूप में काम करता हूँ।",
        {("name", "टॉम"), ("occupation", "डेटा वैज्ञानिक"), ("workplace", "सैन फ्रांसिस्को")},
    ),
    ("मेरा नाम राहुल शर्मा है। मैं दिल्ली में रहता हूँ।", {("name", "राहुल शर्मा"), ("home", "दिल्ली")}),
    (
        "你好！我叫小明，我在旧金山做数据科学家。",
        {("name", "小明"), ("workplace", "旧金山"), ("occupation", "数据科学家")},
    ),
    ("你好，我叫小明，今年29岁，住在长沙。", {("name", "小明"), ("age", "29"), ("home", "长沙")}),
    ("我是做高铁调度的。", {("occupation", "高铁调度")}),
    (
        "金沢に住んでいて、34歳です。仕事は歯科技工士です。",
        {("home", "金沢"), ("age", "34"), ("occupation", "歯科技工士")},
    ),
    ("मैं एक सहकारी बैंक में क्लर्क हूँ।", {("occupation", "क्लर्क")}),
    ("Bir ilkokulda okul hemşiresiyim.", {("occupation", "okul hemşiresi")}),
    ("我住在北京。我是一名软件工程师。我今年34岁。", {("home", "北京"), ("occupation", "软件工程师"), ("age", "34")}),
    (
        "こんにちは、トムです。サンフランシスコでデータサイエンティストとして働いています。",
        {("name", "トム"), ("workplace", "サンフランシスコ"), ("occupation", "データサイエンティスト")},
    ),
    ("私の名前は田中です。東京に住んでいます。", {("name", "田中"), ("home", "東京")}),
]


@pytest.mark.parametrize(("text", "expected"), TOLD)
def test_what_users_say_of_themselves_is_read_in_their_language(text, expected):
    assert described(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I'm tired. I'm a bit tired. I'm Swiss. I'm OK. I'm ADHD.",
        "I'm working as a team. I'm a terrible singer. I'm a friend of a doctor. I'm not a doctor.",
        "My name is not important. I live in fear. I'm 34 weeks pregnant.",
        "Pretend I'm Tom. If my name were Tom, I'd laugh. This is Great.",
        'He said "I\'m Bob". My brother is a nurse. My sister lives in Madrid.',
        "I used to live in Rome. I want to live in Paris. I wish I worked as a nurse.",
        "What is my name? Where do I live? Was I born in 1990? Am I a teacher?",
        "Ich bin müde. Ich bin Vegetarier. Ich lebe in Angst.",
        "Je suis fatigué. Je suis Français.",
        "Soy feliz. Soy Géminis.",
        "Mutluyum. Burada yaşıyorum. Kirada oturuyorum. Gönüllü olarak çalışıyorum.",
        "سلام، من خسته هستم. اسم من چیست؟ من مادر یک معلم هستم.",
        "من تنها هستم. در خانه زندگی می‌کنم.",
        "أنا متعب. ما اسمي؟ أعمل كثيرا. أعمل كل يوم.",
        "मैं थका हूँ। मेरा नाम क्या है? मैं घर में रहता हूँ।",
        "我叫什么名字？我住在哪里？我很累。我叫了外卖。我是你的老师。我男朋友叫陆一鸣，是中学老师，今年30岁。",
        "私の名前は何ですか？疲れています。元気です。娘がいます、3歳です。",
    ],
)
def test_what_only_looks_like_a_self_description_is_left_alone(text):
    assert self_descriptions(text) == ()


def test_a_bare_introduction_counts_only_where_people_introduce_themselves():
    assert described("The weather is nice. We talked for long. I'm Tom.") == set()
    assert described("من تام هستم.") == set()
    assert described("سلام. من تام هستم.") == {("name", "تام")}


def test_descriptions_come_in_the_order_they_are_said_in_and_each_once():
    found = self_descriptions("My name is Tom. I live in Rome. My name is Tom.")
    assert [(each.attribute, each.value) for each in found] == [("name", "Tom"), ("home", "Rome")]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("I'm Tom.,!من است我叫です hisoyBen\n\"12") | st.characters(), max_size=300))
def test_any_text_is_read_without_error_into_known_attributes(text):
    assert all(each.attribute in ATTRIBUTES and each.value for each in self_descriptions(text))
