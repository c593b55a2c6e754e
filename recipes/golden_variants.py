"""Configurations of the small random checkpoints of `golden_logits`; the place of one is its seed."""

from typing import Any

__all__ = ["SMALL", "VARIANTS"]

# What the small checkpoints have in common, and what makes each of them different.
SMALL = {
    "vocab_size": 159,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
DISTILBERT = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
ROBERTA = {"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
MOBILEBERT = {"embedding_size": 8, "intra_bottleneck_size": 12, "num_feedforward_networks": 3}
DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
}
MODERNBERT = {
    "num_hidden_layers": 5,
    "local_attention": 8,
    "pad_token_id": 3,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
    "reference_compile": False,
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "distilbert": ("distilbert", DISTILBERT),
    "electra": ("electra", {"embedding_size": 8}),
    "electra-wide": ("electra", {"embedding_size": 16, "hidden_act": "gelu_new"}),
    "roberta": ("roberta", ROBERTA),
    "xlm-roberta": ("xlm-roberta", {**ROBERTA, "pad_token_id": 3, "hidden_act": "silu"}),
    "camembert": ("camembert", ROBERTA),
    "mobilebert": ("mobilebert", {**MOBILEBERT, "hidden_act": "relu"}),
    "mobilebert-norm": (
        "mobilebert",
        {**MOBILEBERT, "normalization_type": "layer_norm", "use_bottleneck_attention": True},
    ),
    "mobilebert-plain": (
        "mobilebert",
        {
            "embedding_size": 16,
            "use_bottleneck": False,
            "trigram_input": False,
            "num_feedforward_networks": 1,
        },
    ),
    "deberta-v3": ("deberta-v2", DEBERTA),
    "deberta-v2": (
        "deberta-v2",
        {**DEBERTA, "conv_kernel_size": 3, "conv_act": "gelu", "max_relative_positions": 24},
    ),
    "deberta-separate": (
        "deberta-v2",
        {
            **DEBERTA,
            "share_att_key": False,
            "norm_rel_ebd": "none",
            "embedding_size": 8,
            "position_buckets": -1,
        },
    ),
    "deberta-one-way": (
        "deberta-v2",
        {**DEBERTA, "pos_att_type": ["p2c"], "type_vocab_size": 2, "position_biased_input": True},
    ),
    "deberta-absolute": ("deberta-v2", {"type_vocab_size": 0}),
    "mpnet": ("mpnet", {"pad_token_id": 1, "layer_norm_eps": 1e-5}),
    # Values that transformers does not look at: positions begin at 2, and there are 32 buckets.
    "mpnet-fixed": ("mpnet", {"pad_token_id": 3, "relative_attention_num_buckets": 40, "hidden_act": "relu"}),
    "albert": ("albert", {"embedding_size": 8}),
    # Layers 0 to 2 are of the first group, 3 and 4 of the second.
    "albert-groups": (
        "albert",
        {
            "embedding_size": 16,
            "num_hidden_layers": 5,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
            "hidden_act": "gelu",
            "type_vocab_size": 1,
        },
    ),
    "ernie": ("ernie", {}),
    "ernie-tasks": ("ernie", {"use_task_id": True, "task_type_vocab_size": 3, "type_vocab_size": 4}),
    "bert-relative-key": ("bert", {"position_embedding_type": "relative_key"}),
    "bert-relative-key-query": ("bert", {"position_embedding_type": "relative_key_query"}),
    "bert-one-type": ("bert", {"type_vocab_size": 1}),
    "electra-relative": (
        "electra",
        {"embedding_size": 8, "position_embedding_type": "relative_key_query", "type_vocab_size": 1},
    ),
    "ernie-relative": ("ernie", {"use_task_id": True, "position_embedding_type": "relative_key"}),
    "modernbert": ("modernbert", MODERNBERT),
    "modernbert-biases": (
        "modernbert",
        {
            **MODERNBERT,
            "num_hidden_layers": 4,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "classifier_bias": True,
            "classifier_activation": "silu",
            "hidden_activation": "gelu_pytorch_tanh",
            "global_attn_every_n_layers": 2,
            "global_rope_theta": 500.0,
            "local_rope_theta": 20.0,
            "local_attention": 35,
            "norm_eps": 1e-3,
        },
    ),
}
