"""The words that the sentences are made of, in German and English, one table for each kind.

Countries, cities, languages and currencies are codes, for which CLDR has the names.
"""

from litetransformer.tasks.sentences.grammar import FIRST, PLURAL, THIRD, Noun, Phrase, Subject, Verb


def _lines(table: str) -> list[str]:
    return [row.strip() for row in table.replace(";", "\n").split("\n") if row.strip()]


def _nouns(table: str) -> list[Noun]:
    """Nouns with both plurals, the English one given where it isn't just an s; three words: never counted."""
    nouns = []
    for row in _lines(table):
        gender, german, *plural, english = row.split()[:4]
        more = row.split()[4:]
        nouns.append(Noun(gender, german, "".join(plural), english, more[0] if more else f"{english}s"))
    return nouns


def _phrases(table: str) -> list[Phrase]:
    return [Phrase(*row.split(" = ")) for row in _lines(table)]


def _verbs(table: str) -> list[Verb]:
    """Verbs with their German forms and auxiliary; English ones with all forms unless regular."""
    verbs = []
    for *german, english in (row.split(maxsplit=4) for row in _lines(table)):
        forms = english.split()
        if len(forms) < 4:
            base = forms[0]
            past = f"{base}d" if base.endswith("e") else f"{base}ed"
            forms[1:1] = [f"{base}s", past, past]
        verbs.append(Verb(*german, *forms))
    return verbs


_WOMEN = _lines("Anna; Maria; Julia; Laura; Sophie; Clara; Emma; Lena; Ingrid; Martha")
_MEN = _lines("Peter; Paul; Thomas; Max; Felix; Jonas; David; Karl; Otto; Martin")
SHE, HE = (Phrase("sie", "she"), Phrase("ihr", "her")), (Phrase("er", "he"), Phrase("sein", "his"))
PEOPLE = [
    Subject(Phrase(name, name), THIRD, *words)
    for names, words in ((_WOMEN, SHE), (_MEN, HE))
    for name in names
]
ICH = Subject(Phrase("ich", "I"), FIRST, Phrase("ich", "I"), Phrase("mein", "my"))
WIR = Subject(Phrase("wir", "we"), PLURAL, Phrase("wir", "we"), Phrase("unser", "our"))
THING_PRONOUNS = {"m": Phrase("er", "it"), "f": Phrase("sie", "it"), "n": Phrase("es", "it")}

THINGS = _nouns("""
    m Tisch Tische table; m Stuhl Stühle chair; m Koffer Koffer suitcase; m Schlüssel Schlüssel key
    m Mantel Mäntel coat; m Hut Hüte hat; m Ball Bälle ball; m Spiegel Spiegel mirror
    m Teppich Teppiche carpet; m Ring Ringe ring; m Schrank Schränke cabinet
    m Regenschirm Regenschirme umbrella; m Rucksack Rucksäcke backpack; m Computer Computer computer
    f Lampe Lampen lamp; f Uhr Uhren clock; f Tasche Taschen bag; f Kamera Kameras camera
    f Gitarre Gitarren guitar; f Flasche Flaschen bottle; f Karte Karten map; f Jacke Jacken jacket
    f Vase Vasen vase; f Tasse Tassen cup; f Decke Decken blanket; f Kiste Kisten box boxes
    f Leiter Leitern ladder; n Buch Bücher book; n Fahrrad Fahrräder bicycle; n Auto Autos car
    n Bild Bilder picture; n Sofa Sofas sofa; n Kleid Kleider dress dresses; n Hemd Hemden shirt
    n Klavier Klaviere piano; n Messer Messer knife knives; n Radio Radios radio; n Zelt Zelte tent
    n Boot Boote boat; n Regal Regale shelf shelves
""")
FOOD = _nouns("""
    m Apfel Äpfel apple; m Kuchen Kuchen cake; m Pfirsich Pfirsiche peach peaches
    m Kürbis Kürbisse pumpkin; f Orange Orangen orange; f Banane Bananen banana; f Zitrone Zitronen lemon
    f Kartoffel Kartoffeln potato potatoes; f Tomate Tomaten tomato tomatoes; f Birne Birnen pear
    f Gurke Gurken cucumber; f Melone Melonen melon; f Zwiebel Zwiebeln onion; n Ei Eier egg
    n Brötchen Brötchen roll
""")
BUILDINGS = _nouns("""
    f Bibliothek library; n Museum museum; n Theater theater; n Hotel hotel; f Schule school
    n Restaurant restaurant; n Krankenhaus hospital; f Fabrik factory; n Café café; m Park park
    m Garten garden; f Kirche church; n Kino cinema; m Supermarkt supermarket; f Werkstatt workshop
""")
EVENTS = _nouns("""
    f Besprechung meeting; f Prüfung exam; n Konzert concert; f Ausstellung exhibition; f Hochzeit wedding
    n Fest party; m Kurs course; f Vorlesung lecture; n Spiel game
""")
RELATIVES = _nouns("""
    m Bruder brother; f Schwester sister; f Mutter mother; m Vater father; m Freund friend
    w Nachbar Nachbarn neighbor; w Kollege Kollegen colleague; f Kollegin colleague; f Tochter daughter
    m Sohn son; m Onkel uncle; f Tante aunt; f Großmutter grandmother; m Großvater grandfather
""")
FRIENDS = [
    noun for noun in RELATIVES if noun.english in {"brother", "sister", "friend", "neighbor", "colleague"}
]
PROFESSIONS = _nouns("""
    m Lehrer teacher; f Lehrerin teacher; m Arzt doctor; f Ärztin doctor; m Koch cook; f Köchin cook
    m Maler painter; f Malerin painter; m Bäcker baker; f Bäckerin baker; m Ingenieur engineer
    f Ingenieurin engineer; m Richter judge; f Richterin judge; w Fotograf Fotografen photographer
    f Fotografin photographer; w Journalist Journalisten journalist; f Journalistin journalist
    w Architekt Architekten architect; f Architektin architect; m Schauspieler actor
    f Schauspielerin actor; m Musiker musician; f Musikerin musician; w Pilot Piloten pilot
    f Pilotin pilot; m Zahnarzt dentist; f Zahnärztin dentist
""")
QUALITIES = _phrases(
    "groß = big; klein = small; alt = old; neu = new; schön = beautiful; teur = expensive; billig = cheap;"
    "schwer = heavy; leicht = light; modern = modern; seltsam = strange; praktisch = practical; rund = round;"
    "hässlich = ugly; schmutzig = dirty; sauber = clean; nützlich = useful; wertvoll = valuable;"
    "einfach = simple; elegant = elegant"
)
COLORS = _phrases(
    "rot = red; blau = blue; grün = green; schwarz = black; weiß = white; gelb = yellow;"
    "grau = gray; braun = brown"
)
FOOD_QUALITIES = _phrases(
    "groß = big; klein = small; frisch = fresh; gut = good; teur = expensive; billig = cheap"
)
CHARACTERS = _phrases(
    "alt = old; jung = young; freundlich = friendly; klug = clever; müd = tired; berühmt = famous;"
    "streng = strict; höflich = polite; neugierig = curious; fleißig = hard-working; reich = rich"
)
VEHICLES = _phrases(
    "mit dem Zug = by train; mit dem Auto = by car; mit dem Bus = by bus; mit dem Fahrrad = by bike;"
    "mit dem Schiff = by ship"
)
RAINED = _phrases("geregnet = rained; geschneit = snowed")
WEATHER = _phrases(
    "sonnig = sunny; windig = windy; neblig = foggy; heiß = hot; kalt = cold; stürmisch = stormy"
)
ASIDES = _phrases(
    "ich weiß nicht = I do not know; niemand weiß = nobody knows; bitte sagen Sie mir = please tell me;"
    "die Polizei möchte wissen = the police would like to know; es ist nicht klar = it is not clear"
)

TRANSITIVE = _verbs("""
    kaufen kauft gekauft haben buy buys bought bought; finden findet gefunden haben find finds found found
    verkaufen verkauft verkauft haben sell sells sold sold; putzen putzt geputzt haben clean
    suchen sucht gesucht haben look for; benutzen benutzt benutzt haben use
    reparieren repariert repariert haben repair
    vergessen vergisst vergessen haben forget forgets forgot forgotten
    verlieren verliert verloren haben lose loses lost lost; bestellen bestellt bestellt haben order
    malen malt gemalt haben paint; zeichnen zeichnet gezeichnet haben draw draws drew drawn
    ab|holen holt abgeholt haben pick up
    mit|bringen bringt mitgebracht haben bring brings brought brought along
    zurück|geben gibt zurückgegeben haben return; ein|packen packt eingepackt haben pack
    aus|packen packt ausgepackt haben unpack
    weg|werfen wirft weggeworfen haben throw throws threw thrown away
    um|tauschen tauscht umgetauscht haben exchange; aus|leihen leiht ausgeliehen haben borrow
""")
GIVING = _verbs("""
    schenken schenkt geschenkt haben give gives gave given
    zeigen zeigt gezeigt haben show shows showed shown; leihen leiht geliehen haben lend lends lent lent
    schicken schickt geschickt haben send sends sent sent
    bringen bringt gebracht haben bring brings brought brought
    verkaufen verkauft verkauft haben sell sells sold sold
""")
TRAVELING = _verbs("""
    fahren fährt gefahren sein travel; fliegen fliegt geflogen sein fly flies flew flown
    zurück|kehren kehrt zurückgekehrt sein return; um|ziehen zieht umgezogen sein move
""")
WALKING = _verbs("""
    gehen geht gegangen sein go goes went gone; laufen läuft gelaufen sein run runs ran run
    zurück|gehen geht zurückgegangen sein go goes went gone back
""")
STAYING = _verbs("""
    arbeiten arbeitet gearbeitet haben work; warten wartet gewartet haben wait
    schlafen schläft geschlafen haben sleep sleeps slept slept; tanzen tanzt getanzt haben dance
    singen singt gesungen haben sing sings sang sung; kochen kocht gekocht haben cook
    an|kommen kommt angekommen sein arrive
    ein|schlafen schläft eingeschlafen sein fall falls fell fallen asleep
    ein|kaufen kauft eingekauft haben go goes went gone shopping
""")
TELLING = _verbs("""
    sagen sagt gesagt haben say says said said; glauben glaubt geglaubt haben believe
    hoffen hofft gehofft haben hope; schreiben schreibt geschrieben haben write writes wrote written
    hören hört gehört haben hear hears heard heard
    vergessen vergisst vergessen haben forget forgets forgot forgotten
""")

CURRENCIES = _lines("EUR; EUR; EUR; EUR; USD; GBP; CHF; JPY; SEK; PLN; CZK; DKK; NOK; CAD")
LANGUAGES = _lines("""
    en; fr; es; it; pt; nl; sv; da; fi; pl; cs; hu; ro; bg; el; tr; ru; uk; ar; he; ja; zh; ko; th; vi; is; ga
    et; lv; lt; sk; hr
""")
COUNTRIES = _lines("""
    DE; FR; IT; ES; PT; AT; PL; DK; SE; NO; FI; GR; IE; IS; HU; RO; BG; HR; CZ; JP; CN; IN; TH; VN; KR; MX; BR
    AR; CL; PE; CA; AU; NZ; EG; MA; KE; ZA; IL; BE; CH; TR; UA; SK
""")
COUNTRIES_WITH_ARTICLE = {"CH", "TR", "UA", "SK"}
CITIES = _lines("""
    Europe/Vienna; Europe/Rome; Europe/Lisbon; Europe/Athens; Europe/Prague; Europe/Warsaw; Europe/Moscow
    Europe/Brussels; Europe/Copenhagen; Europe/Zurich; Europe/Berlin; Europe/Paris; Europe/London
    Europe/Madrid; Europe/Stockholm; Europe/Oslo; Europe/Helsinki; Europe/Dublin; Europe/Budapest
    Europe/Bucharest; Europe/Belgrade; Europe/Istanbul; Africa/Cairo; Africa/Nairobi; Asia/Tokyo
    Asia/Singapore; America/New_York; America/Chicago; America/Lima; America/Mexico_City; America/Toronto
    Australia/Sydney
""")
"""CLDR names cities by the time zones that they stand for."""
