"""Standing orders in other languages than English: what tells the agent how to behave, whoever's tongue it is said in."""

from __future__ import annotations

import re

# Each line: from now on + you, disregard + what was laid down, you must.
_ORDERS = re.compile(
    r"""\b(?:ab\s(?:jetzt|sofort|heute|nun)|von\s(?:nun|jetzt)\san|künftig)\b.{0,30}\b(?:du|ihr|sie|dich|dein\w*|antworte\w*|sag\w*|sprich|nenn\w*)\b
      | \b(?:ignorier|vergiss|missacht|umgeh)\w*\s.{0,30}(?:anweisung|regel|befehl|vorgabe|richtlinie|prompt) | \bdu\s(?:musst|sollst|darfst|hast\szu)\b
      | \b(?:à\spartir\sde\s(?:maintenant|ce\smoment)|dorénavant|désormais)\b.{0,30}\b(?:tu|vous|te|ton|réponds|répondez|dis|dites|parle[zs]?)\b
      | \b(?:ignore|oublie|outrepasse)[sz]?\s.{0,30}(?:instruction|règle|consigne|directive|ordre) | \b(?:tu\sdois|vous\sdevez|tu\sne\sdois)\b
      | \b(?:de\sahora\sen\sadelante|(?:a\spartir|desde)\s(?:de\s)?ahora)\b.{0,30}\b(?:tú|debes|tienes|vas\sa|responde|contesta|habla|di|llámame|usted)\b
      | \b(?:ignora|olvida|desobedece)\w*\s.{0,30}(?:instrucci|regla|orden|directri|norma) | \b(?:debes|deberás|tienes\sque)\b
      | \b(?:d['’]|da\s)ora\sin\s(?:poi|avanti)\b.{0,30}\b(?:tu|devi|rispondi|parla|chiamami) | \b(?:ignora|dimentica)\w*\s.{0,30}(?:istruzion|regol|ordin) | \bdevi\s(?:sempre|mai|solo)\b
      | \ba\spartir\sde\sagora\b.{0,30}\b(?:você|tu|responda|responde|fale|chame) | \b(?:ignore|esqueça|ignora)\s.{0,30}(?:instruç|regra|ordens) | \bvocê\s(?:deve|precisa|tem\sque)\b
      | \b(?:vanaf\s(?:nu|vandaag)|voortaan)\b.{0,30}\b(?:je|jij|u|jullie)\b | \b(?:negeer|vergeet)\s.{0,30}(?:instructie|regels|opdracht) | \b(?:je|jij)\smoet\b
      | \bod\s(?:teraz|dzisiaj)\b.{0,30}\b(?:zawsze|nigdy|masz|mów|odpowiadaj|ty)\b | \b(?:zi|i)gnoruj\w*\s.{0,30}(?:instrukcj|zasad|polece) | \bmusisz\b
      | \b(?:с\sэтого\sмомента|отныне|с\sсегодняшнего\sдня|впредь)\b.{0,30}\b(?:ты|вы|тебе|отвечай\w*|говори\w*)\b
      | \b(?:игнорируй|забудь|не\sсоблюдай)\w*\s.{0,40}(?:инструкц|правил|указани|приказ) | \bты\s(?:должен|должна|обязан\w?)\b
      | \b(?:від\sтепер|відтепер|віднині)\b.{0,30}\b(?:ти|ви)\b | \bігноруй\w*\s.{0,30}(?:інструкці|правил|вказів)
      | \b(?:bundan\s(?:sonra|böyle)|şu\sandan\sitibaren)\b.{0,40}\b(?:sen|her\szaman|cevap\w*|söyle\w*) | (?:talimat|kural|komut)\w*\s.{0,20}(?:yok\ssay|unut|görmezden)
      | (?:从现在(?:起|开始)|今后|以后|從現在(?:起|開始)).{0,8}(?:你|请|請) | (?:忽略|无视|無視|忘记|忘記).{0,12}(?:指令|指示|规则|規則|提示|命令) | 你(?:必须|必須|应该总是|要一直)
      | (?:これから|今後|今から).{0,30}(?:ください|しろ|なさい|すること|せよ) | (?:指示|命令|ルール|規則).{0,6}(?:無視|忘れ) | あなたは.{0,20}(?:なければなら|べき)
      | (?:지금부터|앞으로|이제부터).{0,30}(?:세요|해라|해줘|하라|대답) | (?:지시|명령|규칙).{0,8}(?:무시|잊)
      | من\sالآن\sفصاعد | (?:تجاهل|انس).{0,20}(?:التعليمات|الأوامر|القواعد) | يجب\sعليك
      | (?:अब\sसे|आगे\sसे).{0,20}(?:तुम|आप|तू) | (?:निर्देश|नियम|आदेश).{0,12}(?:अनदेखा|भूल)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_order(text: str) -> bool:
    """Whether the text, in one visible line, gives the listener a standing order."""
    return bool(_ORDERS.search(text))
