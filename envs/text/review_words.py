"""The words of the world of reviews: what is reviewed, what of it, what is said of it, by whom, when and where.

Every entry stands in one list only, so that a sentence can be read back.
"""

from __future__ import annotations

SENTIMENTS = ("negative", "positive")
INTENSITIES = ("none", "mild", "strong")
TENSES = ("present", "past")
NEGATIONS = ("plain", "negated")

THINGS: dict[str, tuple[str, ...]] = {
    "food": ("restaurant", "diner", "bistro", "cafe"),
    "product": ("phone", "tablet", "laptop", "camera"),
    "film": ("film", "movie", "sequel", "documentary"),
    "hotel": ("hotel", "hostel", "inn", "resort"),
    "book": ("book", "novel", "biography", "thriller"),
}

NOUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    topic: tuple(tuple(line.split()) for line in lines.strip().splitlines())
    for topic, lines in {
        "food": """
            pasta soup steak salad pizza burger dessert curry sushi sandwich omelette lasagna
            waiter waitress hostess chef bartender cook cashier barista butcher baker caterer sommelier
            patio counter decor booth kitchen tablecloth chandelier candle fireplace aquarium fountain balcony
            bill menu portion tip discount coupon wine beer cocktail lemonade coffee tea
        """,
        "product": """
            screen display keyboard touchpad microphone speaker lens flash sensor button joystick trackball
            battery charger cable adapter plug socket cord dock converter powerbank transformer inverter
            case shell hinge strap frame bezel coating finish casing clip buckle grip
            software firmware app update browser interface wallpaper assistant firewall calendar download login
        """,
        "film": """
            plot script ending dialogue twist prologue flashback climax subplot storyline finale premise
            actor actress cast hero villain sidekick stuntman extra comedian newcomer director producer
            soundtrack score song chorus melody orchestra drumming overture whistling narration voiceover dubbing
            costume scenery lighting makeup animation stunt puppet explosion montage camerawork editing backdrop
        """,
        "hotel": """
            bed pillow mattress sheet blanket sofa desk lamp wardrobe curtain carpet mirror
            breakfast buffet toast brunch bread juice cereal yogurt bacon pancake jam fruit
            pool gym spa sauna garden beach terrace lobby elevator jacuzzi playground rooftop
            porter maid clerk guard chauffeur concierge owner guide lifeguard gardener janitor masseur
        """,
        "book": """
            chapter page epilogue preface index appendix passage footnote glossary paragraph introduction verse
            author writer narrator editor translator poet publisher illustrator ghostwriter biographer essayist historian
            heroine detective wizard knight queen king spy dragon orphan pirate goblin murderer
            binding print font jacket illustration map spine cover typesetting paper bookmark engraving
        """,
    }.items()
}

ASPECTS = ("first", "second", "third", "fourth")  # of every topic: a line of NOUNS

ADJECTIVES: tuple[tuple[str, str], ...] = tuple(
    (bad, good)
    for line in """
        bad good, awful great, terrible excellent, horrible wonderful, nasty lovely, poor nice, disgusting amazing
        useless perfect, dreadful superb, boring charming, annoying delightful, stupid brilliant, stale fresh
        dirty clean, unpleasant pleasant, disappointing impressive, pathetic fantastic, flimsy sturdy, dumb smart
        gloomy bright, unreliable reliable, lousy fine, painful enjoyable, ugly beautiful, clumsy graceful
        dull exciting, worthless valuable, hideous gorgeous, rude polite, sloppy careful, bland tasty
        tedious thrilling, shabby elegant, creepy cheerful, awkward smooth, outdated modern, broken flawless
        pointless meaningful, ridiculous clever, mediocre outstanding, lazy attentive, cheesy sincere
        forgettable memorable, tasteless delicious, noisy quiet, hostile friendly, messy tidy, fake genuine
        hopeless promising, grim radiant, atrocious marvelous, appalling splendid, weak strong, confusing clear
        lifeless lively, unfair fair, shallow profound, grumpy kind, defective durable, faulty accurate
        cruel gentle, depressing uplifting, irritating soothing, inferior superior, laughable admirable
        miserable joyful, offensive tasteful, overrated underrated, predictable surprising, repulsive attractive
        rotten crisp, rough polished, sad happy, shoddy solid, sick healthy, silly wise, sour sweet, tacky stylish
        tiresome captivating, troubling comforting, ghastly glorious, unbearable blissful, unhelpful helpful
        vile divine, wasteful efficient, wicked noble, wrong right, abysmal exceptional, amateurish masterful
        greasy light, soggy crunchy, stuffy airy, wobbly steady, bumpy comfortable, hollow rich, petty generous
        primitive sophisticated, obscure famous, arrogant humble, sluggish swift, bitter mellow, dreary vivid
        frantic calm, inept skilful, hasty patient, feeble mighty, insipid spicy, baffling enlightening
        careless thoughtful, chaotic organized, cramped spacious, dismal dazzling
    """.strip().splitlines()
    for bad, good in (pair.split() for pair in line.split(","))
)

# Negative base and past, positive base and past.
VERBS: tuple[tuple[str, str, str, str], ...] = tuple(
    tuple(line.split())  # type: ignore[misc]
    for line in """
        hate hated love loved
        dislike disliked like liked
        detest detested enjoy enjoyed
        despise despised admire admired
        condemn condemned praise praised
        regret regretted recommend recommended
        loathe loathed adore adored
        reject rejected appreciate appreciated
        criticize criticized applaud applauded
        resent resented treasure treasured
        mock mocked respect respected
        curse cursed cherish cherished
        fear feared trust trusted
        abhor abhorred savor savored
        deplore deplored endorse endorsed
        ridicule ridiculed celebrate celebrated
    """.strip().splitlines()
)

ADVERBS: dict[str, tuple[str, ...]] = {
    "mild": ("somewhat", "slightly", "mildly", "partly", "moderately", "vaguely", "faintly", "modestly"),
    "strong": ("really", "truly", "deeply", "absolutely", "utterly", "totally", "completely", "thoroughly"),
}

PERSONS = (
    *(
        "i",
        "we",
        "you",
        "they",
        "my friends",
        "my parents",
        "most people",
        "our neighbors",
        "the kids",
        "my colleagues",
    ),
    *("two cousins", "our teachers", "many visitors", "the students", "my uncles", "some critics"),
)
THOUGHTS = (
    ("think", "thought"),
    ("feel", "felt"),
    ("believe", "believed"),
    ("suppose", "supposed"),
    ("claim", "claimed"),
)
TIMES = (
    *(
        "yesterday",
        "today",
        "tonight",
        "last week",
        "last month",
        "on monday",
        "on tuesday",
        "on wednesday",
        "on thursday",
    ),
    *("on friday", "on saturday", "on sunday", "in january", "in june", "in october", "at noon", "at midnight"),
    *(
        "this morning",
        "every evening",
        "after work",
        "before christmas",
        "during the holidays",
        "once again",
        "each spring",
    ),
)
PLACES = (
    *(
        "in paris",
        "in boston",
        "in london",
        "in chicago",
        "in tokyo",
        "in vegas",
        "in phoenix",
        "in berlin",
        "downtown",
    ),
    *(
        "by the lake",
        "near home",
        "at the airport",
        "on main street",
        "across the river",
        "at the mall",
        "in the suburbs",
    ),
    *("around the corner", "next to the station", "behind the church", "up north"),
)
OPENERS = (
    *(
        "honestly",
        "frankly",
        "to be blunt",
        "in short",
        "overall",
        "as always",
        "sadly or not",
        "mark my words",
        "in my opinion",
    ),
    *(
        "all in all",
        "no doubt",
        "for what it costs",
        "if you ask me",
        "without question",
        "take it from me",
        "as expected",
    ),
)
