"""The world of sentences: what is said, in three languages, and that it can be read back."""

import re

import pytest
import torch

from envs import make_world
from envs.text.english import CLAUSES, PENN, PROTOTYPES, TEMPLATES, english, longest, tells, written
from envs.text.french import french
from envs.text.german import german
from envs.text.lexicon import ADJECTIVES, ADVERBS, AGENTS, SLOTS, THEMES, THINGS, VERBS, Choice
from envs.text.sentences import NUMBERS, TENSES


def word(name, of):
    """A word of the lexicon by its English name."""
    return next(w for w in of if (w.english if isinstance(w.english, str) else w.english[0]) == name)


def choice(words="", number="one", tense="present"):
    """A choice of words by name; the first of a kind where none is named."""
    named = dict(entry.split("=") for entry in words.split())
    chosen = {slot: word(named[slot], of) if slot in named else of[0] for slot, of in SLOTS.items()}
    return Choice(**chosen, number=NUMBERS.index(number), tense=TENSES.index(tense))


# Written by hand, to hold genders, cases, elisions, contractions, word order, agreement of participles.
SAID = [
    ("statement", "subject=child adjective=old verb=hear object=tree", "many", "past",
     "The old children heard the tree.", "Die alten Kinder hörten den Baum.", "Les vieux enfants ont entendu l'arbre."),
    ("statement", "subject=man adjective=beautiful verb=see object=letter", "one", "future",
     "The beautiful man will see the letter.", "Der schöne Mann wird den Brief sehen.", "Le bel homme verra la lettre."),
    ("described", "subject=cat adjective=white verb=eat object=apple", "one", "past",
     "The cat ate the white apple.", "Die Katze aß den weißen Apfel.", "Le chat a mangé la pomme blanche."),
    ("question", "subject=girl adjective=small verb=forget object=book", "one", "present",
     "Does the small girl forget the book?", "Vergisst das kleine Mädchen das Buch?",
     "Est-ce que la petite fille oublie le livre ?"),
    ("negation", "subject=friend adjective=new verb=study object=picture", "one", "present",
     "The new friend does not study the picture.", "Der neue Freund studiert das Bild nicht.",
     "Le nouvel ami n'étudie pas l'image."),
    ("negation", "subject=queen adjective=rich verb=lose object=ship", "many", "future",
     "The rich queens will not lose the ship.", "Die reichen Königinnen werden das Schiff nicht verlieren.",
     "Les reines riches ne perdront pas le bateau."),
    ("passive", "subject=horse adjective=black verb=understand object=song", "many", "past",
     "The song was understood by the black horses.", "Das Lied wurde von den schwarzen Pferden verstanden.",
     "La chanson a été comprise par les chevaux noirs."),
    ("passive", "subject=doctor adjective=good verb=choose object=wall", "one", "future",
     "The wall will be chosen by the good doctor.", "Die Mauer wird vom guten Arzt gewählt werden.",
     "Le mur sera choisi par le bon médecin."),
    ("cleft", "subject=bird adjective=strange verb=steal object=flower", "one", "future",
     "It is the strange bird that will steal the flower.", "Es ist der seltsame Vogel, der die Blume stehlen wird.",
     "C'est l'oiseau étrange qui volera la fleur."),
    ("report", "subject=sister adjective=young verb=sell object=island", "many", "past",
     "We know that the young sisters sold the island.", "Wir wissen, dass die jungen Schwestern die Insel verkauften.",
     "Nous savons que les jeunes sœurs ont vendu l'île."),
    ("is", "subject=witch adjective=old", "one", "present",
     "The witch is old.", "Die Hexe ist alt.", "La sorcière est vieille."),
    ("has", "subject=thief object=apple", "one", "present",
     "The thief has an apple.", "Der Dieb hat einen Apfel.", "Le voleur a une pomme."),
    ("never", "subject=aunt verb=love", "one", "present",
     "No aunt ever loves.", "Keine Tante liebt jemals.", "Aucune tante n'aime jamais."),
    ("are", "subject=mother adjective=famous", "one", "present",
     "Are mothers famous?", "Sind Mütter berühmt?", "Les mères sont-elles célèbres ?"),
    ("but_still", "subject=painter theme=peace adverb=openly verb=watch adjective=green object=door company=woman "
     "second_verb=buy place=island", "one", "present",
     "The painters of peace openly watch the green door, but some women still buy their island.",
     "Die Maler des Friedens beobachten offen die grüne Tür, aber einige Frauen kaufen immer noch ihre Insel.",
     "Les peintres de la paix observent ouvertement la porte verte, mais certaines femmes achètent toujours leur île."),
    ("will", "place=school adjective=old company=friend subject=judge verb=win theme=hope second_verb=clean object=garden",
     "one", "present",
     "In the school of an old friend, the judge will win the hope of cleaning the garden.",
     "In der Schule eines alten Freundes wird der Richter die Hoffnung gewinnen, den Garten zu putzen.",
     "Dans l'école d'un vieil ami, le juge gagnera l'espoir de nettoyer le jardin."),
    ("acting", "subject=dog verb=carry adjective=big object=box company=bird second_verb=cook place=bridge", "one", "present",
     "Dogs carry the big box of birds cooking on the bridge.",
     "Hunde tragen die große Kiste von Vögeln, die auf der Brücke kochen.",
     "Les chiens portent la grande boîte d'oiseaux qui cuisinent sur le pont."),
    ("rather", "place=garden theme=love subject=king verb=draw lack=work second_verb=buy adjective=beautiful object=house",
     "one", "present",
     "In the garden of love, kings would rather draw without work than buy any beautiful houses.",
     "Im Garten der Liebe würden Könige lieber ohne Arbeit zeichnen als irgendwelche schönen Häuser kaufen.",
     "Dans le jardin de l'amour, les rois préféreraient dessiner sans travail plutôt que d'acheter de belles maisons."),
    ("in_order", "theme=history verb=build second_verb=hear place=tree", "one", "present",
     "History builds in order to hear on a tree.", "Geschichte baut, um auf einem Baum zu hören.",
     "L'histoire construit afin d'entendre sur un arbre."),
    ("like", "subject=brother adjective=bad verb=paint company=child", "one", "present",
     "Bad brothers often paint like children.", "Schlechte Brüder malen oft wie Kinder.",
     "Les mauvais frères peignent souvent comme des enfants."),
    ("empty", "", "one", "present", "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("syntax", "words", "number", "tense", "en", "de", "fr"), SAID, ids=[row[4] for row in SAID])
def test_sentences_agree_as_their_languages_want(syntax, words, number, tense, en, de, fr):
    chosen = choice(words, number, tense)
    assert written([each for each, _ in english(syntax, chosen)]) == en
    assert german(syntax, chosen) == de
    assert french(syntax, chosen) == fr


def test_every_word_of_english_has_its_tag():
    tagged = english("will", choice("company=friend adjective=old second_verb=win"))
    assert " ".join(tag for _, tag in tagged) == "IN DT NN IN DT JJ NN , DT NN MD VB DT NN IN VBG DT NN ."
    assert english("cleft", choice(number="many"))[5:7] == [("that", "WDT"), ("build", "VBP")]
    assert english("passive", choice(tense="future"))[2:5] == [("will", "MD"), ("be", "VB"), ("built", "VBN")]
    said = [english(syntax, choice(tense=tense, number=n)) for syntax in TEMPLATES for tense in TENSES for n in NUMBERS]
    assert {tag for line in said for _, tag in line} == set(PENN)


def test_parsing_is_the_inverse_of_rendering_for_what_a_sentence_tells(generator):
    world = make_world("sentences")
    rows = world.sample(1500, generator)
    read, told = world.parse(world.render(rows)), world.told(rows)
    assert torch.equal(~read.isnan(), told)
    assert torch.equal(read[told], rows[told])


@pytest.mark.parametrize("syntax", list(CLAUSES))
def test_a_clause_tells_all_factors_of_clauses(syntax, generator):
    assert tells(syntax) == {"number", "tense", "subject", "verb", "object", "adjective"}
    world = make_world("sentences", syntax=syntax)
    rows = world.sample(200, generator)
    assert torch.equal(world.parse(world.render(rows)), rows)


def test_what_is_no_sentence_is_not_read(generator):
    world = make_world("sentences")
    lines = world.lines(world.sample(60, generator, where=lambda f: f["syntax"] < 20))["en"]
    wrong = (
        [line.lower() for line in lines]
        + [line[:-1] for line in lines]
        + [line.replace(" ", "  ", 1) for line in lines]
    )
    wrong += [
        "The teacher has a apple.",
        "The teachers builds the house.",
        "The old teacher build the house.",
        "Hello.",
    ]
    assert world.parse(world.vocabulary.ids(wrong)).isnan().all()
    clauses = make_world("sentences", syntax="clauses")
    assert clauses.parse(clauses.vocabulary.ids(["The teacher is old."])).isnan().all()


def test_a_factor_that_is_not_told_does_not_change_a_sentence_and_one_that_is_changes_all_it_can(generator):
    world = make_world("sentences")
    rows = world.sample(300, generator)
    told, before = world.told(rows), world.lines(rows)
    for k, factor in enumerate(world.factors[1:], 1):
        moved = rows.clone()
        moved[:, k] = (rows[:, k] + 1) % len(factor.values)
        after = world.lines(moved)
        for language in ("en", "de", "fr"):
            changed = torch.tensor([a != b for a, b in zip(before[language], after[language], strict=True)])
            assert torch.equal(changed, told[:, k]), (language, factor.name)


def test_views_are_aligned_and_known_to_their_vocabularies(generator):
    world = make_world("sentences")
    rows = world.sample(400, generator)
    views, lines = world.views(rows), world.lines(rows)
    assert set(views) == {"en", "de", "fr", "tags"}
    assert torch.equal(views["en"], world.render(rows)[:, : views["en"].shape[1]])
    for name, ids in views.items():
        book = world.tags if name == "tags" else world.vocabulary
        assert len(ids) == 400
        assert not (ids == 3).any()
        assert book.lines(ids) == lines[name]
    signs = [len(re.findall(r"\w+|[.,?]", line)) for line in lines["en"]]
    assert [len(line.split()) for line in lines["tags"]] == signs


def test_the_longest_sentence_fits_and_none_is_longer():
    def largest(syntax):
        chosen = {slot: max(of, key=lambda w: max(map(len, w.english))
                            if isinstance(w.english, tuple) else len(w.english)) for slot, of in SLOTS.items()}  # fmt: skip
        return max(len(written([w for w, _ in english(syntax, Choice(**chosen, number=n, tense=t))]))
                   for n in (0, 1) for t in (0, 1, 2))  # fmt: skip

    assert all(largest(syntax) <= longest(syntax) <= largest(syntax) + 3 for syntax in TEMPLATES)
    assert make_world("sentences").shape == (max(map(longest, TEMPLATES)) + 1,)


def test_prototypes_are_the_papers_fourteen_a_hundred_times(generator):
    world = make_world("sentences")
    rows, labels = world.prototypes(100, generator)
    assert torch.equal(labels.bincount(), torch.full((14,), 100))
    assert [world.syntaxes[int(k)] for k in rows[::100, 0]] == list(PROTOTYPES)
    lines = world.lines(rows)["en"]
    assert set(lines[1300:]) == {""}
    assert len(set(lines[700:800])) == 100
    assert all(re.fullmatch(r"No \w+ ever \w+s\.", line) for line in lines[500:600])
    with pytest.raises(ValueError, match="no prototypes"):
        make_world("sentences", syntax="clauses").prototypes(1, generator)


def test_words_differ_in_every_language_so_that_translations_tell_what_english_tells():
    for words in (AGENTS, THINGS, THEMES, VERBS, ADJECTIVES, ADVERBS):
        for language in ("english", "german", "french"):
            forms = [getattr(each, language) for each in words]
            first = [form if isinstance(form, str) else form[0] for form in forms]
            assert len(set(first)) == len(words)
    assert all(verb.english[0] != verb.english[2] for verb in VERBS)
    assert all(noun.english[0] != noun.english[1] for noun in (*AGENTS, *THINGS))


def test_an_unknown_syntax_lists_the_known_ones():
    with pytest.raises(ValueError, match="all, clauses, prototypes, or some of statement, "):
        make_world("sentences", syntax="statment")
    assert make_world("sentences", syntax="is,has").names == ("syntax", "subject", "object", "adjective")
