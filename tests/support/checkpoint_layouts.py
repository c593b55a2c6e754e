"""Layouts of much-used checkpoints: their configurations, tokenizers and files beside them.

Their sources are in ``tests/data/checkpoints/README.md``.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import trained_tokenizers
from checkpoints import ARCHITECTURES, TINY
from safetensors.numpy import load_file
from sentencepiece_files import GOLDEN as SENTENCEPIECE

MAP = {
    name: f"[{name[:-6].upper()}]"
    for name in ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
}
ROBERTA_MAP = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": {
        "content": "<mask>",
        "single_word": False,
        "lstrip": True,
        "rstrip": False,
        "normalized": True,
    },
}
AS_WRITTEN = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
ROBERTA = {
    **SMALL,
    "model_type": "roberta",
    "architectures": ["RobertaForQuestionAnswering"],
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "language": "english",
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "name": "Roberta",
    "pad_token_id": 1,
    "type_vocab_size": 1,
}
ELECTRA = {
    **SMALL,
    "model_type": "electra",
    "architectures": ["ElectraForQuestionAnswering"],
    "embedding_size": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "type_vocab_size": 2,
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a checkpoint consists of.

    The tensors are those of ``like``, a checkpoint that transformers wrote, with as many words and positions
    as the tokenizer and the configuration say; ``extra`` are further ones, ``renamed`` changes names, and
    ``added`` is a token that ``added_tokens.json`` puts behind the vocabulary, and ``padding`` the padding
    token that the files name, where the tokenizer has others that could be taken for one.
    """

    like: Path
    config: dict[str, Any]
    write_tokenizer: Callable[[Path], None]
    files: dict[str, Any]
    extra: dict[str, tuple[int, ...]] = field(default_factory=dict)
    renamed: tuple[tuple[str, str], ...] = ()
    added: str | None = None
    max_length: int = 512
    padding: str | None = None


def byte_level(directory: Path, *, with_json: bool = True) -> None:
    path = trained_tokenizers.write(directory, "byte-level")
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    (directory / "vocab.json").write_text(json.dumps({**model["vocab"], "<mask>": len(model["vocab"])}))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    if not with_json:
        path.unlink()


def words(directory: Path) -> None:
    shutil.copyfile(TINY / "vocab.txt", directory / "vocab.txt")


def pieces(directory: Path) -> None:
    shutil.copyfile(SENTENCEPIECE / "deberta-v2" / "spm.model", directory / "spm.model")


def modern(directory: Path) -> None:
    trained_tokenizers.write(directory, "modernbert")


def cased(directory: Path) -> None:
    """A ``tokenizer.json`` that keeps case, beside its vocabulary."""
    words(directory)
    tokenizer = json.loads((TINY / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


LAYOUTS = {
    "roberta-base-squad2": Layout(
        like=ARCHITECTURES / "roberta",
        config=ROBERTA,
        write_tokenizer=lambda directory: byte_level(directory, with_json=False),
        files={"special_tokens_map.json": ROBERTA_MAP, "tokenizer_config.json": {"do_lower_case": False}},
        extra={"roberta.embeddings.position_ids": (1, 514), "roberta.pooler.dense.weight": (16, 16)},
    ),
    "distilbert-base-cased-distilled-squad": Layout(
        like=ARCHITECTURES / "distilbert",
        config={
            "model_type": "distilbert",
            "architectures": ["DistilBertForQuestionAnswering"],
            "activation": "gelu",
            "dim": 16,
            "hidden_dim": 24,
            "n_heads": 2,
            "n_layers": 2,
            "max_position_embeddings": 512,
            "output_past": True,
            "pad_token_id": 0,
            "qa_dropout": 0.1,
            "sinusoidal_pos_embds": True,
            "tie_weights_": True,
        },
        write_tokenizer=cased,
        files={"tokenizer_config.json": {"do_lower_case": False, "model_max_length": 512}},
    ),
    "electra_large_discriminator_squad2_512": Layout(
        like=ARCHITECTURES / "electra-wide",
        config=ELECTRA,
        write_tokenizer=words,
        files={
            "special_tokens_map.json": MAP,
            "tokenizer_config.json": {"do_lower_case": True, "model_max_length": 512},
        },
        extra={"electra.embeddings.position_ids": (1, 512)},
    ),
    "bert-large-uncased-whole-word-masking-squad2": Layout(
        like=TINY,
        config={
            "model_type": "bert",
            "architectures": ["BertForQuestionAnswering"],
            "finetuning_task": "squad2",
            "hidden_act": "gelu",
            "hidden_size": 32,
            "intermediate_size": 64,
            "language": "english",
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512,
            "name": "Bert",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "output_past": True,
            "pad_token_id": 0,
            "type_vocab_size": 2,
        },
        write_tokenizer=words,
        files={
            "added_tokens.json": {},
            "special_tokens_map.json": MAP,
            "tokenizer_config.json": {"init_inputs": []},
        },
        extra={"bert.pooler.dense.weight": (32, 32), "bert.pooler.dense.bias": (32,)},
        renamed=(("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")),
    ),
    "koelectra-base-v3-finetuned-korquad": Layout(
        like=ARCHITECTURES / "electra-wide",
        config={**ELECTRA, "summary_activation": "gelu", "summary_type": "first", "summary_use_proj": True},
        write_tokenizer=words,
        files={
            "special_tokens_map.json": MAP,
            "tokenizer_config.json": {
                "do_lower_case": False,
                "max_model_length": 512,
                "special_tokens_map_file": None,
                "full_tokenizer_file": None,
            },
        },
    ),
    "deberta-v3-large-squad2": Layout(
        like=ARCHITECTURES / "deberta-v3",
        config={
            **SMALL,
            "model_type": "deberta-v2",
            "architectures": ["DebertaV2ForQuestionAnswering"],
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-07,
            "max_position_embeddings": 512,
            "max_relative_positions": -1,
            "norm_rel_ebd": "layer_norm",
            "pad_token_id": 0,
            "pooler_dropout": 0,
            "pooler_hidden_act": "gelu",
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "position_buckets": 8,
            "relative_attention": True,
            "share_att_key": True,
            "type_vocab_size": 0,
        },
        write_tokenizer=pieces,
        files={
            "special_tokens_map.json": {**MAP, "bos_token": "[CLS]", "eos_token": "[SEP]"},
            "tokenizer_config.json": {
                "do_lower_case": False,
                "split_by_punct": False,
                "vocab_type": "spm",
                "sp_model_kwargs": {},
                "tokenizer_class": "DebertaV2Tokenizer",
            },
        },
        extra={"deberta.embeddings.position_ids": (1, 512)},
        added="[MASK]",
    ),
    "tinyroberta-squad2": Layout(
        like=ARCHITECTURES / "roberta",
        config={**ROBERTA, "output_attentions": True, "output_hidden_states": True},
        write_tokenizer=byte_level,
        files={
            "special_tokens_map.json": ROBERTA_MAP,
            "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "RobertaTokenizer"},
        },
    ),
    "ModernBERT-QnA-base-squad": Layout(
        like=ARCHITECTURES / "modernbert",
        config={
            "model_type": "modernbert",
            "architectures": ["ModernBertForQuestionAnswering"],
            "bos_token_id": 50281,
            "classifier_activation": "gelu",
            "classifier_bias": False,
            "classifier_pooling": "mean",
            "cls_token_id": 50281,
            "decoder_bias": True,
            "eos_token_id": 50282,
            "global_attn_every_n_layers": 3,
            "global_rope_theta": 160000.0,
            "gradient_checkpointing": False,
            "hidden_activation": "gelu",
            "hidden_size": 16,
            "initializer_cutoff_factor": 2.0,
            "intermediate_size": 24,
            "layer_norm_eps": 1e-05,
            "local_attention": 128,
            "local_rope_theta": 10000.0,
            "max_position_embeddings": 8192,
            "mlp_bias": False,
            "norm_bias": False,
            "norm_eps": 1e-05,
            "num_attention_heads": 2,
            "num_hidden_layers": 5,
            "position_embedding_type": "absolute",
            "reference_compile": True,
            "sep_token_id": 50282,
            "tie_word_embeddings": True,
        },
        write_tokenizer=modern,
        files={
            "special_tokens_map.json": {
                name: {**AS_WRITTEN, "content": token, "lstrip": name == "mask_token"}
                for name, token in MAP.items()
            },
            "tokenizer_config.json": {
                **MAP,
                "added_tokens_decoder": {
                    "1": {**AS_WRITTEN, "content": "<|padding|>", "special": True},
                    "2": {**AS_WRITTEN, "content": "[PAD]", "special": True},
                },
                "clean_up_tokenization_spaces": True,
                "extra_special_tokens": {},
                "model_input_names": ["input_ids", "attention_mask"],
                "model_max_length": 8192,
                "tokenizer_class": "PreTrainedTokenizerFast",
            },
        },
        max_length=8192,
        padding="[PAD]",
    ),
}
# As the main branches hold them: this format alone, or safetensors too.
PICKLES = ("electra_large_discriminator_squad2_512", "koelectra-base-v3-finetuned-korquad")


def resized(layout: Layout, vocabulary: int) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a layout by name, with the sizes that its configuration and its tokenizer have."""
    generator = np.random.default_rng(0)
    rows = {
        "word_embeddings": vocabulary,
        "tok_embeddings": vocabulary,
        "position_embeddings": layout.config["max_position_embeddings"],
    }
    for name, tensor in load_file(layout.like / "model.safetensors").items():
        part = next((part for part in rows if f".{part}." in name), None)
        changed = name
        for old, new in layout.renamed:
            changed = changed.replace(old, new)
        if part is None:
            yield changed, tensor
        else:
            yield changed, generator.normal(0, 0.2, (rows[part], tensor.shape[1])).astype(np.float32)
    for name, shape in layout.extra.items():
        ids = np.arange(shape[-1])[None]
        yield name, ids if name.endswith("position_ids") else np.zeros(shape, np.float32)
