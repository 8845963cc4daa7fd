"""Word lists: the commonest words of some languages, and the ranges of scripts.

They serve to tell languages apart and to leave function words out; they are not complete.
Source: the commonest function words of each language, put together by hand; script ranges from the Unicode block list.
"""


def listed(words: str) -> frozenset[str]:
    """Words divided by spaces."""
    return frozenset(words.split())


STOPWORDS: dict[str, frozenset[str]] = {
    "en": listed(
        "a about after all also am an and any are as at be because been but by can could did do does "
        "for from had has have he"
        " her here his how i if in into is it its it's i'm just me more my no not of on one only or "
        "our out she so some than that"
        " the their them then there these they this to too up us very was we were what when where "
        "which who will with would"
        " you your you're"
    ),
    "de": listed(
        "aber als am an auch auf aus bei bin bis das dass dem den der des die doch du durch ein eine "
        "einem einen einer er es für"
        " haben hat ich ihr ihre im in ist ja kann können man mehr mich mir mit nach nicht noch nur "
        "oder schon sehr sein sich sie"
        " sind so über um und uns unser vom von vor war was wenn werden wie wir wird zu zum zur"
    ),
    "fr": listed(
        "à au aux avec ce ces cette dans de des du elle en est et été eux il ils je la le les leur "
        "lui ma mais me même mes moi"
        " mon ne nos notre nous on ou où par pas plus pour qu que qui sa se ses si son sont sur ta "
        "te tout très tu un une vos"
        " votre vous y c'est j'ai n'est d'un d'une l'on être"
    ),
    "es": listed(
        "a al algo como con cuando de del desde donde dos el ella ellos en entre era es esta está "
        "están este esto fue ha hay hasta"
        " la las le les lo los más me mi mucho muy nada ni no nos nuestro o para pero por porque "
        "puede que qué se ser si sí sin"
        " sobre son su sus también te tiene todo tu un una uno usted y ya yo"
    ),
    "it": listed(
        "a ad ai al alla alle anche che chi ci come con da dal dalla dei del della delle di dove e è "
        "ed era gli ha hanno ho i il in"
        " io la le lei lo loro ma mi mia mio molto ne nel nella no noi non nostra nostro o per "
        "perché più può quando quello questa"
        " questo sei si sì sia siamo sono su sua suo tra tu tutto un una uno vi voi"
    ),
    "nl": listed(
        "aan al als bij dan dat de deze die dit door dus een en er geen had heb hebben heeft het hij "
        "hoe hun ik in is ja je kan"
        " kunnen maar me meer met mij mijn na naar niet nog nu of om omdat onder ons onze ook op "
        "over te tot u uit uw van veel"
        " voor was wat we wel werd wij wordt ze zich zijn zo zonder zou"
    ),
    "pt": listed(
        "a ao aos as até com como da das de dela dele do dos e é ela ele eles em entre era essa esse "
        "está estão este eu foi há isso"
        " isto já lhe mais mas me mesmo meu minha muito na não nas nem no nos nós nossa nosso num "
        "numa o os ou para pela pelo por"
        " porque pode qual quando que quem se sem ser seu seus só sua também te tem um uma você vocês"
    ),
}

# A script names its languages; Japanese is told from Chinese by kana.
SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "kana": ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F)),
    "hangul": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF)),
    "arabic": ((0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    "cyrillic": ((0x0400, 0x052F),),
    "latin": ((0x0041, 0x005A), (0x0061, 0x007A), (0x00C0, 0x024F), (0x1E00, 0x1EFF)),
}
SCRIPT_OF: dict[str, str] = {"ja": "kana", "zh": "han", "ko": "hangul", "ar": "arabic", "ru": "cyrillic"}
LANGUAGES: tuple[str, ...] = tuple(sorted([*STOPWORDS, *SCRIPT_OF]))
