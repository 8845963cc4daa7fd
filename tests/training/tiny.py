"""A tiny model that can be talked to: 50 words, `w7` is token 7, token 2 ends a reply; a judge that likes one word."""

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gnomon.core.types import Message, Transcript
from gnomon.models.local import LocalModel
from gnomon.training.judged import Judged


def tokenizer(words=50):
    names = {f"w{i}": i for i in range(words) if i != 2} | {"<end>": 2}
    made = Tokenizer(models.WordLevel(names, "w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>")  # noqa: S106 - a word, no password
    fast.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    return fast


def subject(model, words=50):
    return LocalModel(model=model, tokenizer=tokenizer(words), identity={"name": "tiny", "weights": "0"})


def asked(*texts):
    return [Transcript((Message("user", text),)) for text in texts]


def likes(word="w7", broken=None, paid=0.0):
    """Share of a word in the reply, out of eight; with the word `broken` it breaks the norm `n` and earns `paid`."""

    def judge(transcripts):
        made = []
        for transcript in transcripts:
            said = transcript.reply.split()
            bad = broken in said
            made.append(Judged(reward=said.count(word) / 8 + paid * bad, broken={"n": bad} if broken else {}))
        return made

    return judge


PROMPTS = asked("w10 w11", "w12 w13", "w14", "w15 w16 w17")
