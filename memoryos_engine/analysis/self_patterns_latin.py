"""Patterns of self-description in languages with capital letters: English, German, French, Spanish, Turkish."""

from __future__ import annotations

from memoryos_engine.analysis.self_pattern import language

_ENGLISH = language(
    "en",
    has_case=True,
    patterns=r"""
        <START>(?i:my (?:full |first )?name is|my name's|you can call me|please call me|just call me|(?:everyone\
            |my friends|people|friends) calls? me|i am called|i'm called|i go by) (?P<name><NAME>)<END>
        <START>(?i:my name is|my name's) (?P<name>[a-z]{2,20})(?=\s*(?:$|[,.!]|(?i:and i)\b))
        <START>(?i:(?:i (?:currently )?work|i'm (?:currently )?working|i am (?:currently )?working\
            |i've been working) as (?:an?|the)) (?P<occupation><JOB>)<JOBEND>(?: (?:(?i:at|for\
            |with) [^,.;!?]{1,40}? )?in (?P<workplace><PLACE>)<END>)?
        <START>(?i:(?:i'm|i am|i'm currently|i am currently) an?) (?P<profession><JOB>)<JOBEND>(?: (?:(?i:at|for\
            |with) [^,.;!?]{1,40}? )?in (?P<workplace><PLACE>)<END>)?
        <START>(?i:my (?:job|profession|occupation) is (?:being )?an?) (?P<occupation><JOB>)<JOBEND>
        <START>(?i:i (?:currently |now |still )?(?:live|reside)|i'm (?:currently |now )?(?:living|based)|i am \
            (?:currently |now )?(?:living|based)|my home is|i(?:'ve| have)? (?:just |recently )?moved) (?:in|to) \
            (?P<home><PLACE>)<END>
        (?i:\bas (?:an?|the) [^,.;!?]{1,60}?,? (?:and|but) (?:i )?live) in (?P<home><PLACE>)<END>
        <START>(?i:i'm|i am|i come|i'm originally|i am originally) from (?P<origin><PLACE>)<END>
        <START>(?i:i'm|i am) (?P<age>\d{1,3}) (?i:years old|years of age|yrs old|yo\b)
        <START>(?i:i'm|i am|i just turned|i turned) (?P<age>\d{1,3})(?=\s*(?:$|[,.!;]|and (?i:i|live|work)\b))
        <START>(?i:i was|i'm|i am) born (?:(?:on|in) [^.;!?]{0,30}?)?(?P<birth_year>(?:19|20)\d\d)\b
        <START>(?i:(?:i'm|i am) a) (?P<gender>woman|man|girl|boy|male|female|trans woman|trans man|guy|lady)<STOP>
        <START>(?i:i'm|i am) (?P<gender>male|female|non-binary|nonbinary)<STOP>
        <START>(?i:i'm|i am|i just got|i got) (?:happily |recently |newly )?(?P<marital_status>married|single\
            |divorced|widowed|engaged|separated)(?=\s*(?:$|[,.!;]|(?:and|with|to|but|now)\b))
        <START>(?i:i have|i've got|we have|we've got) (?P<children>(?:no|two|three|four|five|six|\d) (?:\w{1,10} )?\
            (?:kids|children))\b
        <START>(?i:my (?:wife|husband|partner|fiancée?|girlfriend|boyfriend)(?:'s name is| is called| is named)) \
            (?P<partner><NAME>)<END>
    """,
    introductions=r"""
        <START>(?i:i'm|i am|im) (?P<name><NAME>)(?=\s*(?:$|[,.!]|\((?!\w{0,3}\))|(?:and|from|by the way|here)\b))
    """,
    never="""
        not important called mentioned spelled pronounced often hard unknown missing wrong different listed love
        fear peace hope pain town danger denial luxury poverty sin sorry fine good great tired sure ok okay happy
        sad sick busy bored hungry ready back home here there done new late lost confused curious interested
        lonely alone single married divorced vegan vegetarian pregnant christian muslim jewish hindu buddhist
        catholic atheist autistic gay lesbian bisexual queer trans asian african european latino latina hispanic
        black white american british english scottish irish welsh german french spanish italian portuguese dutch
        belgian swiss austrian swedish norwegian danish finnish polish czech slovak hungarian romanian bulgarian
        greek turkish russian ukrainian iranian persian iraqi arab saudi egyptian moroccan tunisian algerian
        lebanese syrian jordanian israeli palestinian indian pakistani bangladeshi afghan chinese japanese korean
        vietnamese thai indonesian malaysian filipino australian canadian mexican brazilian argentinian chilean
        colombian peruvian cuban nigerian kenyan ethiopian ghanaian serbian croatian bosnian albanian kurdish
        armenian georgian estonian latvian lithuanian icelandic nepali taiwanese californian aries taurus gemini
        leo virgo libra scorpio sagittarius capricorn aquarius pisces dr mr mrs ms prof monday tuesday wednesday
        thursday friday saturday sunday january february march april june july august september october november
        december team type bit big huge lot little fan good bad terrible horrible nervous decent slow fast better
        avid amateur aspiring former future lousy careful safe wannabe volunteer result""",
    jobs=r"\b(?:engineer|scientist|teacher|nurse|doctor|physician|surgeon|dentist|lawyer|attorney|paralegal|accountant|"
    r"designer|developer|programmer|architect|manager|director|consultant|analyst|writer|author|journalist|editor|"
    r"artist|"
    r"musician|photographer|chef|baker|barista|waiter|waitress|bartender|student|professor|lecturer|researcher|"
    r"therapist|psychologist|psychiatrist|counsel+or|pharmacist|veterinarian|vet|pilot|driver|mechanic|electrician|"
    r"plumber|carpenter|farmer|police officer|firefighter|soldier|paramedic|librarian|translator|interpreter|"
    r"salesperson|salesman|saleswoman|realtor|banker|economist|biologist|chemist|physicist|mathematician|statistician|"
    r"geologist|astronomer|historian|social worker|secretary|receptionist|assistant|administrator|technician|tailor|"
    r"hairdresser|actor|actress|singer|dancer|coach|trainer|freelancer|entrepreneur|retiree|recruiter|marketer|"
    r"contractor|agent|officer|clerk|buyer|dispatcher|operator|planner|specialist|supervisor|coordinator|"
    r"representative|cashier|cleaner|electrical|nanny|judge|civil servant|product owner|devops)s?$",
)

_GERMAN = language(
    "de",
    has_case=True,
    patterns=r"""
        (?i:\b(?:ich heiße|ich heisse|mein (?:voller )?name ist|man nennt mich)) (?P<name><NAME>)<END>
        (?i:\b(?:ich|und) arbeite (?:derzeit |zurzeit |seit \w{1,12} (?:jahren? )?)?als) (?:einer? )?\
            (?P<occupation><JOB>)<JOBEND>(?: (?:(?:bei|für) [^,.;!?]{1,40}? )?in (?P<workplace><PLACE>)<END>)?
        (?i:\b(?:ich|und) arbeite) in (?P<workplace><PLACE>) als (?P<occupation><JOB>)<JOBEND>
        (?i:\bich bin) (?P<occupation><JOB>) von Beruf\b
        (?i:\bvon beruf bin ich|\bmein beruf ist) (?P<occupation><JOB>)<JOBEND>
        <START>(?i:ich bin) (?:ein |eine )?(?P<profession><JOB>)<JOBEND>
        (?i:\b(?:ich|und) (?:wohne|lebe)(?: derzeit| jetzt| zurzeit| aktuell)?) in (?P<home><PLACE>)<END>
        (?i:\bich komme) aus (?P<origin><PLACE>)<END>
        (?i:\bich bin) (?P<age>\d{1,3})(?: Jahre alt\b|<STOP>)
        (?i:\bich (?:wurde|bin)) (?:im Jahre? )?(?P<birth_year>(?:19|20)\d\d) geboren
        (?i:\bich bin) (?P<gender>eine Frau|ein Mann)<STOP>
        (?i:\bich bin) (?P<marital_status>verheiratet|ledig|geschieden|verwitwet|verlobt)\b
        (?i:\bich habe|\bwir haben) (?P<children>(?:keine|zwei|drei|vier|fünf|\d) (?:\w{1,10} )?Kinder)\b
    """,
    introductions=r"""
        <START>(?i:ich bin|hier ist|ich bin's,) (?:der |die )?(?P<name><NAME>)<STOP>
    """,
    never="""
        angst frieden anfänger anfängerin vegetarier vegetarierin veganer veganerin deutscher deutsche
        österreicher schweizer schweizerin türke türkin pole christ christin muslim moslem single papa mama vater
        mutter fan optimist pessimist raucher nichtraucher linkshänder mitglied teil frau mann mensch kunde kundin
        nutzer zuhause hause wohngemeinschaft wg löwe jungfrau krebs waage stier wassermann fisch steinbock widder
        schütze skorpion zwilling""",
    jobs=r"(?:ingenieur|lehrer|arzt|ärzt|entwickler|wissenschaftler|informatiker|student|studier|schüler|anwält|anwalt|"
    r"designer|berater|leiter|koch|köchin|bäcker|pfleger|krankenschwester|verkäufer|künstler|autor|journalist|"
    r"architekt|"
    r"professor|forscher|mechaniker|elektriker|handwerker|polizist|physiker|chemiker|biolog|psycholog|programmierer|"
    r"buchhalter|übersetzer|musiker|fotograf|rentner|azubi|manager|analyst|apotheker|techniker|kauffrau|"
    r"kaufmann)(?:in|en|e)?$",
)

_FRENCH = language(
    "fr",
    has_case=True,
    patterns=r"""
        (?i:(?<!\w)(?:je m'appelle|mon (?:pré)?nom est|appelle-moi)) (?P<name><NAME>)<END>
        (?i:(?<!\w)je (?:travaille|bosse) (?:actuellement )?(?:comme|en tant que|en tant qu'))\s?(?:une? )?\
            (?P<occupation><JOB>)<JOBEND>(?: (?:(?:chez|pour) [^,.;!?]{1,40}? )?(?:à|en|au|aux) \
            (?P<workplace><PLACE>)<END>)?
        (?i:(?<!\w)mon métier est|je suis) (?:une? )?(?P<profession><JOB>)<JOBEND>(?: (?:à|en|au) \
            (?P<workplace><PLACE>)<END>)?
        (?i:(?<!\w)(?:j'habite|je vis|je réside)(?: actuellement| maintenant)?) (?:à|en|au|aux) (?P<home><PLACE>)<END>
        (?i:(?<!\w)je viens) (?:de|du|d') ?(?P<origin><PLACE>)<END>
        (?i:(?<!\w)j'ai) (?P<age>\d{1,3}) ans<STOP>
        (?i:(?<!\w)je suis née?) (?:en |le [^.;!?]{1,20}?)(?P<birth_year>(?:19|20)\d\d)\b
        (?i:(?<!\w)je suis) (?P<gender>une femme|un homme)<STOP>
        (?i:(?<!\w)je suis) (?P<marital_status>mariée?|célibataire|divorcée?|veuve|veuf|fiancée?)\b
        (?i:(?<!\w)(?:j'ai|nous avons)) (?P<children>(?:deux|trois|quatre|cinq|\d) enfants)\b
    """,
    introductions=r"""
        <START>(?i:je suis|moi,? c'est) (?P<name><NAME>)<STOP>
    """,
    never="""
        français française anglais anglaise allemand allemande espagnol belge suisse italien italienne canadien
        québécois américain marocain algérien tunisien parisien parisienne lion vierge balance scorpion verseau
        bélier""",
    jobs=r"\b(?:ingénieure?|scientifique|professeure?|enseignante?|médecin|infirmi[eè]re?|avocate?|comptable|designer|"
    r"développeu(?:r|se)|programmeu(?:r|se)|architecte|directeur|directrice|consultante?|analyste|écrivaine?|"
    r"journaliste|"
    r"artiste|musicien(?:ne)?|photographe|cuisini[eè]re?|boulang[eè]re?|étudiante?|cherch(?:eur|euse)|psychologue|"
    r"pharmacien(?:ne)?|pilote|chauffeur|agricult(?:eur|rice)|polici[eè]re?|traduct(?:eur|rice)|retraitée?)"
    r"(?: (?:logiciel(?:le)?|informatique|des? \w{1,20}|d'\w{1,20}|en \w{1,20}|civile?))?$",
)

_SPANISH = language(
    "es",
    has_case=True,
    patterns=r"""
        (?i:\b(?:me llamo|mi nombre (?:completo )?es|puedes llamarme)) (?P<name><NAME>)<END>
        (?i:\b(?:trabajo|estoy trabajando) (?:actualmente )?como) (?:una? )?(?P<occupation><JOB>)<JOBEND>(?: (?:\
            (?:para|con) [^,.;!?]{1,40}? )?en (?P<workplace><PLACE>)<END>)?
        <START>(?i:(?:yo )?soy) (?:una? )?(?P<profession><JOB>)<JOBEND>(?: en (?P<workplace><PLACE>)<END>)?
        (?i:\b(?:mi profesión es|mi trabajo es)) (?P<profession><JOB>)<JOBEND>
        (?i:\b(?:(?<!no )vivo|resido)(?: actualmente| ahora)?) en (?P<home><PLACE>)<END>
        <START>(?i:(?:yo )?(?:soy|vengo)) de (?P<origin><PLACE>)<END>
        (?i:\btengo) (?P<age>\d{1,3}) años<STOP>
        (?i:\bnací) (?:en |el [^.;!?]{1,24}?)(?:el año )?(?P<birth_year>(?:19|20)\d\d)\b
        <START>(?i:soy) (?P<gender>una mujer|mujer|un hombre|hombre)<STOP>
        (?i:\b(?:estoy|soy)) (?P<marital_status>casad[oa]|solter[oa]|divorciad[oa]|viud[oa])\b
        (?i:\b(?:tengo|tenemos)) (?P<children>(?:dos|tres|cuatro|cinco|\d) hij[oa]s)\b
    """,
    introductions=r"""
        <START>(?i:(?:yo )?soy|te habla) (?P<name><NAME>)<STOP>
    """,
    never="géminis leo virgo libra acuario aries tauro escorpio piscis español española mexicano mexicana argentino",
    jobs=r"\b(?:ingenier[oa]|científic[oa]|profesora?|maestr[oa]|médic[oa]|doctora?|enfermer[oa]|abogad[oa]|contadora?|"
    r"diseñadora?|desarrolladora?|programadora?|arquitect[oa]|directora?|consultora?|analista|escritora?|periodista|"
    r"artista|músic[oa]|fotógraf[oa]|cociner[oa]|panader[oa]|estudiante|investigadora?|psicólog[oa]|farmacéutic[oa]|"
    r"piloto|conductora?|agricultora?|policía|traductora?|jubilad[oa]|gerente|camarer[oa])"
    r"(?: (?:de|en) \w{1,20}| civil| informátic[oa])?$",
)

_TURKISH = language(
    "tr",
    has_case=True,
    patterns=r"""
        (?i:(?<!\w)(?:benim )?(?:adım|ismim)) (?P<name>[A-ZÇĞİÖŞÜ]\w{1,20}(?: [A-ZÇĞİÖŞÜ]\w{1,20}){0,2})<END>
        (?:(?P<workplace><PROPER>)'?[dt][ae] )?(?:bir )?(?<!\w)(?P<occupation>(?:(?!(?:bir|ve|[Bb]en|bu|şu)\b|\w+\
            (?:[dt][ae]|yor|d[ıiuü]r)\b)[^\W\d]{2,25} ){0,2}(?!\w+[dt][ae]\b)[^\W\d]{3,25}) olarak (?:çalışıyorum\
            |görev yapıyorum)
        (?i:(?<!\w)ben) (?:bir )?(?P<occupation>(?:[^\W\d]{2,20} )?(?:öğretmen|doktor|mühendis|mühendisi|öğrenci\
            |öğrencisi|hemşire|avukat|yazılımcı|mimar|muhasebeci|tasarımcı|gazeteci|yazar|aşçı|polis|şoför|emekli\
            |eczacı|psikolog|geliştirici|geliştiricisi|akademisyen))(?:y?[ıiuü]m)<STOP>
        (?<!\w)(?P<occupation>[^\W\d]{2,20} (?:hemşiresi|öğretmeni|mühendisi|geliştiricisi|öğrencisi|tasarımcısı\
            |uzmanı))y[iı]m<STOP>
        (?i:\bmesleğim) (?P<occupation>[^\W\d]{3,25}(?: [^\W\d]{3,25})?)<STOP>
        (?P<home><PROPER>)'?[dt][ae] (?:yaşıyorum|oturuyorum|ikamet ediyorum)
        (?P<origin><PROPER>)'l[ıiuü]y[ıiuü]m<STOP>
        (?P<age>\d{1,3}) yaşındayım
        (?P<birth_year>(?:19|20)\d\d)(?:'?[dt][ae])?(?: yılında)? (?:doğumluyum|doğdum)
        <START>(?:[Bb]en )?(?:bir )?(?P<gender>kadın|erkek)(?:ım|im)<STOP>
        <START>(?:[Bb]en )?(?P<marital_status>evli|bekar)(?:yim|ım)<STOP>
        (?P<children>(?:iki|üç|dört|beş|\d) çocuğum) var
    """,
    introductions=r"""
        <START>(?i:ben) (?P<name>[A-ZÇĞİÖŞÜ]\w{1,20}(?: [A-ZÇĞİÖŞÜ]\w{1,20}){0,2})<STOP>
    """,
    never="""
        bura şura ora nere ev köy yurt şehir ne aktif gönüllü sürekli düzenli serbest bağımsız uzaktan günlük
        genel zamanlı geçici kalıcı tam türk alman müslüman kira dışarı yurtdışın köşe""",
    jobs=r"(?:öğretmen|doktor|mühendis|öğrenci|hemşire|avukat|yazılımcı|mimar|tasarımcı)",
)

LATIN_LANGUAGES = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _TURKISH)
