"""The words of the world of sentences: nouns, verbs, adjectives and adverbs that mean the same in three languages.

Every form that the grammar needs and that no rule gives is written out; the rules stand in `english`, `german`, `french`.
German nouns that decline weakly, French nouns with an aspirated h and English verbs whose past looks like their present
are left out: they would need rules of their own, or make two meanings one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Noun:
    """A noun: English singular and plural; German and French gender, singular and plural; the German genitive."""

    english: tuple[str, str]
    german: tuple[str, str]
    genitive: str
    german_gender: Literal["m", "f", "n"]
    french: tuple[str, str]
    french_gender: Literal["m", "f"]


@dataclass(frozen=True)
class Verb:
    """A verb that goes with an object and without.

    English: base, third person, past, participle, -ing. German: infinitive, third person, preterite, participle. French:
    infinitive, third person singular and plural, participle, stem of the future.
    """

    english: tuple[str, str, str, str, str]
    german: tuple[str, str, str, str]
    french: tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Adjective:
    """An adjective: German stem; French forms (m, f, m plural, f plural), m before a vowel, and whether it goes before."""

    english: str
    german: str
    french: tuple[str, str, str, str]
    vowel: str
    before: bool


@dataclass(frozen=True)
class Adverb:
    """An adverb of manner."""

    english: str
    german: str
    french: str


def _nouns(table: str) -> tuple[Noun, ...]:
    """Lines of: English singular, plural; German gender, singular, plural, genitive; French gender, singular, plural."""
    found = []
    for line in table.strip().splitlines():
        one, many, gender, einer, viele, genitive, genre, un, plusieurs = line.split()
        found.append(Noun((one, many), (einer, viele), genitive, gender, (un, plusieurs), genre))  # type: ignore[arg-type]
    return tuple(found)


def _verbs(table: str) -> tuple[Verb, ...]:
    """Five English, four German and five French forms, then a semicolon."""
    rows = [row.split() for row in table.split(";") if row.strip()]
    return tuple(Verb(tuple(row[:5]), tuple(row[5:9]), tuple(row[9:])) for row in rows)  # type: ignore[arg-type]


def _adjectives(table: str) -> tuple[Adjective, ...]:
    """Lines of: English, German, French before or after, its four forms, and the one before a vowel."""
    rows = [line.split() for line in table.strip().splitlines()]
    return tuple(Adjective(row[0], row[1], tuple(row[3:7]), row[7], row[2] == "before") for row in rows)  # type: ignore[arg-type]


AGENTS = _nouns("""
teacher teachers  m Lehrer Lehrer Lehrers          m professeur professeurs
doctor  doctors   m Arzt Ärzte Arztes              m médecin médecins
king    kings     m König Könige Königs            m roi rois
queen   queens    f Königin Königinnen Königin     f reine reines
woman   women     f Frau Frauen Frau               f femme femmes
man     men       m Mann Männer Mannes             m homme hommes
girl    girls     n Mädchen Mädchen Mädchens       f fille filles
child   children  n Kind Kinder Kindes             m enfant enfants
friend  friends   m Freund Freunde Freundes        m ami amis
mother  mothers   f Mutter Mütter Mutter           f mère mères
father  fathers   m Vater Väter Vaters             m père pères
sister  sisters   f Schwester Schwestern Schwester f sœur sœurs
brother brothers  m Bruder Brüder Bruders          m frère frères
dog     dogs      m Hund Hunde Hundes              m chien chiens
cat     cats      f Katze Katzen Katze             m chat chats
horse   horses    n Pferd Pferde Pferdes           m cheval chevaux
bird    birds     m Vogel Vögel Vogels             m oiseau oiseaux
singer  singers   m Sänger Sänger Sängers          m chanteur chanteurs
painter painters  m Maler Maler Malers             m peintre peintres
baker   bakers    m Bäcker Bäcker Bäckers          m boulanger boulangers
witch   witches   f Hexe Hexen Hexe                f sorcière sorcières
aunt    aunts     f Tante Tanten Tante             f tante tantes
judge   judges    m Richter Richter Richters       m juge juges
thief   thieves   m Dieb Diebe Diebes              m voleur voleurs
""")

THINGS = _nouns("""
house   houses    n Haus Häuser Hauses             f maison maisons
book    books     n Buch Bücher Buches             m livre livres
car     cars      n Auto Autos Autos               f voiture voitures
table   tables    m Tisch Tische Tisches           f table tables
letter  letters   m Brief Briefe Briefes           f lettre lettres
picture pictures  n Bild Bilder Bildes             f image images
door    doors     f Tür Türen Tür                  f porte portes
bridge  bridges   f Brücke Brücken Brücke          m pont ponts
garden  gardens   m Garten Gärten Gartens          m jardin jardins
apple   apples    m Apfel Äpfel Apfels             f pomme pommes
tree    trees     m Baum Bäume Baumes              m arbre arbres
city    cities    f Stadt Städte Stadt             f ville villes
school  schools   f Schule Schulen Schule          f école écoles
ship    ships     n Schiff Schiffe Schiffes        m bateau bateaux
song    songs     n Lied Lieder Liedes             f chanson chansons
chair   chairs    m Stuhl Stühle Stuhles           f chaise chaises
window  windows   n Fenster Fenster Fensters       f fenêtre fenêtres
street  streets   f Straße Straßen Straße          f rue rues
flower  flowers   f Blume Blumen Blume             f fleur fleurs
island  islands   f Insel Inseln Insel             f île îles
church  churches  f Kirche Kirchen Kirche          f église églises
train   trains    m Zug Züge Zuges                 m train trains
box     boxes     f Kiste Kisten Kiste             f boîte boîtes
wall    walls     f Mauer Mauern Mauer             m mur murs
""")

# What needs no article in English; the plurals are not used.
THEMES = _nouns("""
freedom freedoms  f Freiheit Freiheiten Freiheit             f liberté libertés
music   musics    f Musik Musiken Musik                      f musique musiques
peace   peaces    m Frieden Frieden Friedens                 f paix paix
truth   truths    f Wahrheit Wahrheiten Wahrheit             f vérité vérités
science sciences  f Wissenschaft Wissenschaften Wissenschaft f science sciences
history histories f Geschichte Geschichten Geschichte        f histoire histoires
love    loves     f Liebe Lieben Liebe                       m amour amours
justice justices  f Gerechtigkeit Gerechtigkeiten Gerechtigkeit f justice justices
art     arts      f Kunst Künste Kunst                       m art arts
time    times     f Zeit Zeiten Zeit                         m temps temps
work    works     f Arbeit Arbeiten Arbeit                   m travail travaux
hope    hopes     f Hoffnung Hoffnungen Hoffnung             m espoir espoirs
""")

VERBS = _verbs("""
build builds built built building bauen baut baute gebaut construire construit construisent construit construir ;
see sees saw seen seeing sehen sieht sah gesehen voir voit voient vu verr ;
hear hears heard heard hearing hören hört hörte gehört entendre entend entendent entendu entendr ;
paint paints painted painted painting malen malt malte gemalt peindre peint peignent peint peindr ;
buy buys bought bought buying kaufen kauft kaufte gekauft acheter achète achètent acheté achèter ;
sell sells sold sold selling verkaufen verkauft verkaufte verkauft vendre vend vendent vendu vendr ;
forget forgets forgot forgotten forgetting
    vergessen vergisst vergaß vergessen oublier oublie oublient oublié oublier ;
lose loses lost lost losing verlieren verliert verlor verloren perdre perd perdent perdu perdr ;
win wins won won winning gewinnen gewinnt gewann gewonnen gagner gagne gagnent gagné gagner ;
draw draws drew drawn drawing zeichnen zeichnet zeichnete gezeichnet dessiner dessine dessinent dessiné dessiner ;
clean cleans cleaned cleaned cleaning putzen putzt putzte geputzt nettoyer nettoie nettoient nettoyé nettoier ;
watch watches watched watched watching
    beobachten beobachtet beobachtete beobachtet observer observe observent observé observer ;
steal steals stole stolen stealing stehlen stiehlt stahl gestohlen voler vole volent volé voler ;
eat eats ate eaten eating essen isst aß gegessen manger mange mangent mangé manger ;
understand understands understood understood understanding
    verstehen versteht verstand verstanden comprendre comprend comprennent compris comprendr ;
choose chooses chose chosen choosing wählen wählt wählte gewählt choisir choisit choisissent choisi choisir ;
study studies studied studied studying studieren studiert studierte studiert étudier étudie étudient étudié étudier ;
carry carries carried carried carrying tragen trägt trug getragen porter porte portent porté porter ;
love loves loved loved loving lieben liebt liebte geliebt aimer aime aiment aimé aimer ;
cook cooks cooked cooked cooking kochen kocht kochte gekocht cuisiner cuisine cuisinent cuisiné cuisiner ;
""")

ADJECTIVES = _adjectives("""
old       alt      before vieux vieille vieux vieilles          vieil
new       neu      before nouveau nouvelle nouveaux nouvelles   nouvel
big       groß     before grand grande grands grandes           grand
small     klein    before petit petite petits petites           petit
beautiful schön    before beau belle beaux belles               bel
good      gut      before bon bonne bons bonnes                 bon
bad       schlecht before mauvais mauvaise mauvais mauvaises    mauvais
young     jung     before jeune jeune jeunes jeunes             jeune
red       rot      after  rouge rouge rouges rouges             rouge
green     grün     after  vert verte verts vertes               vert
black     schwarz  after  noir noire noirs noires               noir
white     weiß     after  blanc blanche blancs blanches         blanc
rich      reich    after  riche riche riches riches             riche
strange   seltsam  after  étrange étrange étranges étranges     étrange
quiet     ruhig    after  calme calme calmes calmes             calme
famous    berühmt  after  célèbre célèbre célèbres célèbres     célèbre
""")

ADVERBS = (
    Adverb("quickly", "schnell", "rapidement"),
    Adverb("slowly", "langsam", "lentement"),
    Adverb("secretly", "heimlich", "secrètement"),
    Adverb("loudly", "laut", "bruyamment"),
    Adverb("carefully", "vorsichtig", "prudemment"),
    Adverb("openly", "offen", "ouvertement"),
    Adverb("proudly", "stolz", "fièrement"),
    Adverb("patiently", "geduldig", "patiemment"),
)

SLOTS: dict[str, tuple[Noun | Verb | Adjective | Adverb, ...]] = {
    "subject": AGENTS,
    "verb": VERBS,
    "object": THINGS,
    "adjective": ADJECTIVES,
    "adverb": ADVERBS,
    "company": AGENTS,
    "second_verb": VERBS,
    "place": THINGS,
    "theme": THEMES,
    "lack": THEMES,
}


@dataclass(frozen=True)
class Choice:
    """What a sentence is made of: a word for every slot, the subject's number and the clause's tense.

    Number is 0 for one and 1 for many; tense 0 present, 1 past, 2 future.
    """

    subject: Noun
    verb: Verb
    object: Noun
    adjective: Adjective
    adverb: Adverb
    company: Noun
    second_verb: Verb
    place: Noun
    theme: Noun
    lack: Noun
    number: int = 0
    tense: int = 0
