"""Write the documents of a submission: system, model, and instructions to reproduce it."""

import json
from collections.abc import Sequence
from typing import Any

__all__ = ["measurements", "run_readme", "source_readme", "submission_readme", "system_json"]

UNKNOWN = "unknown: fill in before submitting"
NONE = "N/A"


def system_json(
    configuration: dict[str, str], *, division: str, submitter: str, system: str
) -> dict[str, Any]:
    """Build the system description; fields that cannot be detected say so.

    Args:
        configuration: see `spanjet.bench.mlperf.configuration.describe_configuration`.
        division: division of the submission.
        submitter: name of the submitter.
        system: name of the machine.
    """
    found, software = configuration, ("python", "numpy", "LoadGen", "kernel", "BIOS", "microcode")
    return {
        "division": division,
        "submitter": submitter,
        "status": "available",
        "system_name": system,
        "system_type": "edge",
        "system_type_detail": "CPU only",
        "number_of_nodes": "1",
        "host_processor_model_name": found["processor"],
        "host_processors_per_node": found["sockets"],
        "host_processor_core_count": found["cores"],
        "host_processor_frequency": UNKNOWN,
        "host_processor_caches": UNKNOWN,
        "host_processor_interconnect": UNKNOWN,
        "host_memory_capacity": found["memory"],
        "host_memory_configuration": UNKNOWN,
        "host_storage_capacity": UNKNOWN,
        "host_storage_type": UNKNOWN,
        "host_networking": UNKNOWN,
        "host_networking_topology": UNKNOWN,
        "host_network_card_count": UNKNOWN,
        "accelerators_per_node": "0",
        "accelerator_model_name": NONE,
        "accelerator_memory_capacity": NONE,
        "accelerator_memory_configuration": NONE,
        "accelerator_host_interconnect": NONE,
        "accelerator_frequency": "",
        "accelerator_interconnect": NONE,
        "accelerator_interconnect_topology": "",
        "accelerator_on-chip_memories": "",
        "cooling": UNKNOWN,
        "framework": f"spanjet {found['spanjet']}, OpenVINO {found['openvino']}",
        "operating_system": found["operating system"],
        "other_software_stack": ", ".join(f"{name} {found[name]}" for name in software),
        "hw_notes": f"{found['vCPUs']} vCPUs used; {found['instructions']}",
        "sw_notes": "",
    }


def measurements(result: dict[str, Any]) -> dict[str, str]:
    """Build ``measurements.json`` from a run's result: data types, source and changes of the weights."""
    card = result["model"]["card"]
    source = card.get("source") or {}
    quantized = card.get("quantization") or {}
    optimized = card.get("optimization") or {}
    transformations = [part["method"] for part in (optimized, quantized) if part.get("method")]
    is_trained = "distilled" in str(optimized.get("method"))
    start = ", ".join(source["weights"]) if isinstance(source.get("weights"), dict) else source.get("weights")
    return {
        "input_data_types": "int32",
        "weight_data_types": "int8" if quantized else "fp32",
        "starting_weights_filename": f"{source.get('name', 'unknown')}: {start or 'unknown'}",
        "weight_transformations": "; ".join(transformations) or "none",
        "retraining": "Y" if is_trained else "N",
    }


def run_readme(result: dict[str, Any]) -> str:
    """Render ``README.md`` of a scenario."""
    performance, accuracy, model = (result[name] for name in ("performance", "accuracy", "model"))
    short = "" if result["settings"]["load"]["seconds"] is None else " --short"
    test01 = "" if result["test01"] is None else " --test01"
    verdict = "VALID" if performance["valid"] else "INVALID"
    why_not = "".join(f"- {reason}\n" for reason in result["why_not"])
    return (
        f"# {model['name']}, {result['scenario']}\n\n"
        f"{performance['metric']}: {performance['value']:.6g} {performance['unit']}, LoadGen "
        f"{performance['loadgen']}: {verdict}. F1 {accuracy['f1']:.4f}, exact match "
        f"{accuracy['exact_match']:.4f}. Data: {result['data']}.\n\n"
        + (f"Not a valid result:\n\n{why_not}\n" if why_not else "")
        + "```console\n"
        f"$ spanjet mlperf run MODEL --squad dev-v1.1.json --scenario {result['scenario']} "
        f"--mode both{short}{test01}\n"
        "```\n\n"
        "Tokens are prepared before LoadGen's clock runs; a sample is a window of token ids, its response\n"
        "the logits. Samples are sorted by length and not padded beyond their batch.\n"
    )


def submission_readme(runs: Sequence[dict[str, Any]]) -> str:
    """Write the document at the root of a submission: its runs, and why those that do not count do not."""
    lines = (
        f"- {run['benchmark']}, {run['scenario']}: {'; '.join(run['why_not']) or 'valid'}\n" for run in runs
    )
    return f"# A submission to MLPerf Inference, written by spanjet\n\n{''.join(lines)}"


def source_readme(result: dict[str, Any]) -> str:
    """Render ``src/README.md``: the code, and the model card."""
    configuration, card = result["configuration"], result["model"]["card"]
    return (
        "# The system under test\n\n"
        f"spanjet {configuration['spanjet']}, `spanjet.bench.mlperf`; LoadGen {configuration['LoadGen']}.\n\n"
        f"```json\n{json.dumps(card, indent=2, ensure_ascii=False)}\n```\n"
    )
