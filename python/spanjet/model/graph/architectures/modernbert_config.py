"""Read what ModernBERT's configurations say in several ways: the kinds of layers and their positions."""

from typing import Any

from spanjet.model.config_json import Fields, is_number_from_one

__all__ = ["check_task", "read_bases", "read_local_layers"]

# Names of the two kinds of layers since transformers 5; before, one in so many layers was global.
_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_LAYER_TYPES = "layer_types"
_PARAMETERS = "rope_parameters"


def check_task(fields: Fields) -> None:
    """Check that a checkpoint was saved by a model for question answering, if it says by which.

    Models that classify texts or tokens in two classes have a head of the same names and shapes.

    Raises:
        ValueError: it was saved by a model for another task.
    """
    names = fields.get("architectures", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise fields.error("architectures", "a list of names")
    if names and not any(name.endswith("ForQuestionAnswering") for name in names):
        raise fields.error(
            "architectures",
            'one for question answering, "ModernBertForQuestionAnswering": the checkpoint has no '
            "question-answering head",
        )


def read_local_layers(fields: Fields, *, layers: int) -> tuple[bool, ...]:
    """Read which layers have local attention, from ``layer_types`` or ``global_attn_every_n_layers``.

    Args:
        fields: fields of the configuration.
        layers: number of layers.
    """
    types = fields.get(_LAYER_TYPES)
    if types is None:
        every = fields.count("global_attn_every_n_layers", default=3)
        return tuple(index % every > 0 for index in range(layers))
    if (
        not isinstance(types, list)
        or len(types) != layers
        or any(one not in (_GLOBAL, _LOCAL) for one in types)
    ):
        raise fields.error(_LAYER_TYPES, f'a list of {layers} names, "{_GLOBAL}" or "{_LOCAL}", one a layer')
    return tuple(one == _LOCAL for one in types)


def read_bases(fields: Fields) -> tuple[float, float]:
    """Read the bases of rotary positions of global and of local layers.

    They are ``global_rope_theta`` and ``local_rope_theta``, or in ``rope_parameters``, by the kind of layer.
    """
    if fields.get("rope_scaling") is not None:
        raise fields.error("rope_scaling", "null: scaled rotary positions are not supported")
    found = fields.get(_PARAMETERS, {})
    if not isinstance(found, dict):
        raise _parameters_error(fields)
    first = fields.number_from_one("global_rope_theta", default=160_000.0)
    second = fields.number_from_one("local_rope_theta", default=10_000.0)
    return _parameter(fields, found, _GLOBAL, first), _parameter(fields, found, _LOCAL, second)


def _parameter(fields: Fields, found: dict[str, Any], kind: str, default: float) -> float:
    parameters = found.get(kind)
    if parameters is None:
        return default
    if not isinstance(parameters, dict) or parameters.get("rope_type", "default") != "default":
        raise _parameters_error(fields)
    value = parameters.get("rope_theta", default)
    if not is_number_from_one(value):
        raise _parameters_error(fields)
    return float(value)


def _parameters_error(fields: Fields) -> ValueError:
    return fields.error(
        _PARAMETERS,
        f'"{_GLOBAL}" and "{_LOCAL}", with "rope_type" "default" and "rope_theta" a number from 1 to 1e30',
    )
