"""Small tokenizers of every kind but BERT's own, trained on the tests' own texts.

path = trained_tokenizers.write(directory, "byte-level")
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import texts
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

DATA = Path(__file__).parents[1] / "data"
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>")
BERT = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
SIZE = 600


@functools.cache
def corpus() -> list[str]:
    """SQuAD paragraphs and questions, and texts of many scripts."""
    articles = json.loads((DATA / "squad" / "v1.1.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [entry["question"] for paragraph in paragraphs for entry in paragraph["qas"]]
    return [*(paragraph["context"] for paragraph in paragraphs), *questions, *texts.random_texts(40, seed=11)]


def _roberta_pairs(tokenizer: Any, *, cls: str = "<s>", sep: str = "</s>") -> Any:
    ids = [(token, tokenizer.token_to_id(token)) for token in (cls, sep)]
    template = {"single": f"{cls} $A {sep}", "pair": f"{cls} $A {sep} {sep} $B {sep}"}
    return processors.TemplateProcessing(**template, special_tokens=ids)


def _bert_pairs(tokenizer: Any) -> Any:
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    pair = "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
    return processors.TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=ids)


def _byte_level_model(special: Sequence[str], pre_tokenizer: Any) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level() -> Any:
    """RoBERTa's."""
    tokenizer = _byte_level_model(ROBERTA, pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    sep, cls = ((token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>"))
    tokenizer.post_processor = processors.RobertaProcessing(
        sep, cls, trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def byte_level_with_spaces() -> Any:
    """Offsets with the spaces, a space before the first word, BERT's pairs."""
    tokenizer = _byte_level_model([*BERT, "[MASK]"], pre_tokenizers.ByteLevel(add_prefix_space=True))
    byte_level = processors.ByteLevel(trim_offsets=False)
    tokenizer.post_processor = processors.Sequence([byte_level, _bert_pairs(tokenizer)])
    return tokenizer


def byte_level_of_words() -> Any:
    """RobBERT's: each word gets a space, which is then counted off its own characters."""
    words = [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    tokenizer = _byte_level_model(ROBERTA, pre_tokenizers.Sequence([*words, pre_tokenizers.Punctuation()]))
    sep, cls = ((token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>"))
    tokenizer.post_processor = processors.RobertaProcessing(sep, cls)
    return tokenizer


def _unigram_model(special: Sequence[str], pre_tokenizer: Any, normalizer: Any) -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.normalizer = normalizer
    unk = special[-1]
    trainer = trainers.UnigramTrainer(
        vocab_size=3 * SIZE, special_tokens=list(special), unk_token=unk, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def unigram() -> Any:
    """XLM-RoBERTa's: no token takes a space in."""
    words = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer = _unigram_model(ROBERTA, words, normalizers.NFKC())
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = _roberta_pairs(tokenizer)
    return tokenizer


def unigram_precompiled() -> Any:
    """DeBERTa-v3's: tokens take the spaces before them in."""
    charsmap = (DATA / "tokenizers" / "charsmap" / "precompiled.bin").read_bytes()
    normalizer = normalizers.Sequence(
        [
            normalizers.Strip(),
            normalizers.Precompiled(charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer = _unigram_model(BERT, pre_tokenizers.Metaspace(), normalizer)
    tokenizer.add_special_tokens(["[MASK]"])
    tokenizer.post_processor = _bert_pairs(tokenizer)
    return tokenizer


def byte_fallback() -> Any:
    """BPE of characters, in which a character without a token is spelt in bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token=ROBERTA[-1], fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=list(ROBERTA), limit_alphabet=100, show_progress=False
    )
    tokenizer.train_from_iterator((text[:300] for text in corpus()), trainer)
    tokenizer.post_processor = _roberta_pairs(tokenizer)
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    content["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(content))


def word_piece() -> Any:
    """WordPiece with other steps before it than BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=BERT[-1]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=list(BERT), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = _bert_pairs(tokenizer)
    return tokenizer


def mpnet() -> Any:
    """BERT's words with RoBERTa's special tokens and pairs; BERT's special tokens, but for one, are words."""
    tokenizer: Any = Tokenizer(models.WordPiece(unk_token=BERT[-1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=SIZE, special_tokens=[*ROBERTA, *BERT], show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    sep, cls = ((token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>"))
    tokenizer.post_processor = processors.RobertaProcessing(sep, cls, add_prefix_space=False)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [
        token for token in content["added_tokens"] if token["content"] not in BERT[:-1]
    ]
    content["model"]["vocab"]["<mask>"] = tokenizer.token_to_id("<mask>")
    return Tokenizer.from_str(json.dumps(content))


def modernbert() -> Any:
    """Byte-level BPE: offsets have the spaces, runs are tokens; BERT's pairs, two names of padding."""
    tokenizer = _byte_level_model(
        ("|||IP_ADDRESS|||", "<|padding|>", *BERT), pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    tokenizer.normalizer = normalizers.NFC()
    words = (*(" " * count for count in range(24, 1, -1)), "|||EMAIL_ADDRESS|||")
    tokenizer.add_tokens([AddedToken(word, normalized=True, special=False) for word in words])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    tokenizer.post_processor = _bert_pairs(tokenizer)
    return tokenizer


KINDS: dict[str, Callable[[], Any]] = {
    "byte-level": byte_level,
    "byte-level-with-spaces": byte_level_with_spaces,
    "byte-level-of-words": byte_level_of_words,
    "unigram": unigram,
    "unigram-precompiled": unigram_precompiled,
    "byte-fallback": byte_fallback,
    "word-piece": word_piece,
    "mpnet": mpnet,
    "modernbert": modernbert,
}


@functools.cache
def content(kind: str) -> str:
    """The tokenizer.json of a kind."""
    text: str = KINDS[kind]().to_str()
    return text


def edited(kind: str, edit: Callable[[Any], Any]) -> Any:
    """What `edit` makes of a tokenizer.json's content, in place."""
    document = json.loads(content(kind))
    edit(document)
    return document


def write(directory: Path, kind: str) -> Path:
    """Write the tokenizer.json of a kind into a directory."""
    path = directory / "tokenizer.json"
    path.write_text(content(kind), encoding="utf-8")
    return path


def random_texts(count: int, seed: int) -> list[str]:
    """As `texts.random_texts`, with these tokenizers' special tokens in some of them."""
    rng = random.Random(seed)
    special = (*ROBERTA, "<mask>", *BERT, "[MASK]", "<0x41>", "▁", "Ġ", "  ", "\n\n ")
    lines = texts.random_texts(count, seed)
    for index in range(0, count, 3):
        place = rng.randint(0, len(lines[index]))
        token = rng.choice(("", " ", "\u00a0", "\u3000")) + rng.choice(special) + rng.choice(("", " "))
        lines[index] = lines[index][:place] + token + lines[index][place:]
    return lines
