"""The English that extraction knows: verbs, families, animals, connecting words."""

from __future__ import annotations

import re
from functools import lru_cache


def word_set(text: str) -> frozenset[str]:
    """The words of a text that lists them."""
    return frozenset(text.split())


_BASE = """accept ache act admire adopt agree answer apologise argue arrive attend avoid bake be become begin believe
belong bike block borrow break breathe bring build burn buy call care carry catch celebrate change check choose
clean climb close coach collect come commute compete complain compose consider contact control cook cope cost
count cross cry cut cycle dance date deal decide deserve design develop die discover dislike divorce do doubt
draw dread dream drink drive earn eat end enjoy enter envy escape exercise expect experience explain face fail
fall farm fast fear feed feel fight find finish fish fix fly follow forget forgive garden gamble get give go
graduate grieve grow guide hate have head hear help hike hire hit hold hope hunt hurt ignore injure invest join
jog judge jump keep kill kiss knit know lack laugh lead learn leave lend lie lift like listen live look lose
love make manage marry mean meditate meet mind miss mourn move need nurse offer open organise own pack paint
panic pay perform plan plant play practise practice pray prefer prepare produce programme promise propose
publish quit raise read realise realize recall receive recognise record recover refuse regret relax remember
rent repair research rest retire return ride run sail save say see sell send serve sew share shout show sing sit
skate skateboard skip sleep smell smoke snore speak spend stammer stand start stay steal stop struggle study
stutter suffer support survive swim take talk taste teach tell think train translate travel treat trust try turn
type understand use visit volunteer vote wait wake walk want wash waste watch wear weigh win wish wonder work
worry worship write yell"""

BASE_VERBS = word_set(_BASE)

IRREGULAR_PASTS = word_set("""was were had did went got came saw took made said told found gave knew thought
felt left kept began became grew met lost ran wrote read drove bought brought taught caught fought sold sent
spent slept built broke chose drank ate fell flew forgot forgave heard held hid hit hurt led lent lay let meant
paid put quit rode rang rose sang sat shot spoke stole stood swam swore threw understood wore won woke cut set
shut beat bit blew burnt dealt dreamt dug fed hung laid learnt lit rebuilt sank slid smelt spelt split spread
stuck swept tore withdrew wept wound""")
NOT_PAST = word_set("""need feed breed bleed speed succeed proceed exceed embed shed wed bed red seed weed heed""")
AUXILIARIES = word_set("can could will would must should may might shall cannot had did was used ought dare")
BE = word_set("am is are was were be been being isn't aren't wasn't weren't")
ADVERBS = word_set("""always never usually often sometimes really just also still actually only currently
recently now already finally probably rarely seldom once even almost nearly hardly generally mostly normally
secretly truly deeply absolutely definitely certainly simply both mainly mostly frequently regularly
occasionally constantly totally completely quite first later then soon long ever kind sort personally honestly
basically literally sadly happily luckily unfortunately fortunately originally formerly previously eventually
suddenly slowly quickly""")
RELATIVES = word_set("""mother father mum mom mommy mummy dad daddy sister brother son daughter wife husband
partner girlfriend boyfriend fiancé fiancée fiance fiancee spouse ex grandmother grandfather grandma grandpa
granny aunt uncle cousin niece nephew stepmother stepfather stepson stepdaughter child kid baby twin friend
flatmate roommate neighbour neighbor boss colleague teacher therapist doctor""")
SHE = word_set("""mother mum mom mommy mummy sister daughter wife girlfriend fiancée fiancee grandmother grandma
granny aunt niece stepmother stepdaughter""")
HE = word_set(
    """father dad daddy brother son husband boyfriend fiancé fiance grandfather grandpa uncle nephew stepfather
stepson"""
)
ANIMALS = word_set("""cat dog kitten puppy rabbit hamster parrot horse pony bird budgie canary goldfish fish
tortoise turtle snake lizard guinea-pig ferret rat mouse gerbil pet goat sheep cow chicken hen donkey""")
CONNECTORS = word_set("""because when if that which who where while whereas although though since until unless
before after as than whether what how why once so for of to in on at with by from about into over under like and
or but nor every each the a an this these those my your his her its our their no any some all""")
"""Words after which "I" or "my" goes on with the same clause."""

HEADS = word_set("""thing things everything anything nothing something everyone anyone someone all way time day
year moment reason place people person man woman one only""")
"""Words that a clause with "I" describes: "everything I need"."""

STOP_WORDS = word_set("""a an the and or but of to in on at for with from by about into over as is am are was were be been being do does did doing
done has have had having will would can could should may might must i me my mine myself we us our ours you your yours he him his she her hers it
its they them their theirs this that these those there here what which who whom whose when where why how if so than then not no nor any some all
both each more most other such only own same too very just also yes yeah s t d m ll re ve don didn isn wasn doesn im ive""")
"""Words that stand in every text and so tell none from another."""

SAYING = word_set("""think thinks thought say says said know knows knew hope hopes hoped believe believes
believed feel feels felt guess mean means meant wish wishes wished see saw suppose supposed tell told remember
remembers figured realise realize realised realized swear bet sure glad sorry afraid happy sad proud worried
dream dreamed dreamt pretend pretended imagine imagined hear heard notice noticed""")


def is_past(word: str) -> bool:
    """Whether a verb form is (or may as well be) the past: it stays as it is in the third person."""
    return word in IRREGULAR_PASTS or (len(word) > 3 and word.endswith("ed") and word not in NOT_PAST)


def third(verb: str) -> str:
    """The third person singular of a verb's base form: go, goes; try, tries; live, lives."""
    known = {"am": "is", "are": "is", "have": "has", "do": "does", "go": "goes", "were": "was"}
    if verb in known:
        return known[verb]
    if re.search(r"(s|x|z|ch|sh)$", verb):
        return verb + ("zes" if verb == "quiz" else "es")
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith("o") else "s")


THIRD_VERBS = frozenset(third(verb) for verb in BASE_VERBS)


@lru_cache(maxsize=10_000)
def is_verb(word: str) -> bool:
    """Whether the word can be a finite verb, as far as this list knows."""
    word = word.lower().replace("’", "'").strip(',.;:!?"“”')
    if word in BE or word in AUXILIARIES or word in BASE_VERBS or word in THIRD_VERBS or is_past(word):
        return True
    return bool(re.search(r"(n't|'m|'re|'ve|'ll|'d)$", word)) or word in {
        "dont",
        "cant",
        "didnt",
        "im",
        "ive",
        "has",
        "doesnt",
    }
