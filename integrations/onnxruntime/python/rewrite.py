#!/usr/bin/env python3
"""Rewrites an ONNX model so that every LRN is lrn-jit's, by name.

    rewrite.py MODEL.onnx OUTPUT.onnx

Each node `LRN` of ONNX's own domain, in the graph, its subgraphs and the model's functions, becomes `LRN` of the domain
`lrn_jit`, with the same attributes. The new model runs only where the library of lrn-jit is registered, but does not lean on
taking the place of a built-in operator. Needs the package `onnx`.
"""

import argparse
import sys
from pathlib import Path

import onnx

DOMAIN = "lrn_jit"
VERSION = 1


def rewrite(model):
    """Makes every LRN of `model`, a ModelProto, one of the domain `lrn_jit`, in place. Returns how many there were."""
    count = _rename(model.graph.node)
    if count:
        _import(model)
    for function in model.functions:
        found = _rename(function.node)
        if found:
            _import(function)
            # The model has to import what its functions do.
            _import(model)
        count += found
    return count


def _rename(nodes):
    count = 0
    for node in nodes:
        if node.op_type == "LRN" and node.domain in ("", "ai.onnx"):
            node.domain = DOMAIN
            count += 1
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                count += _rename(graph.node)
    return count


def _import(of):
    if all(opset.domain != DOMAIN for opset in of.opset_import):
        of.opset_import.append(onnx.helper.make_opsetid(DOMAIN, VERSION))


def main():
    parser = argparse.ArgumentParser(description="Rewrites an ONNX model so that every LRN is lrn-jit's, by name.")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    paths = parser.parse_args()
    try:
        # Weights in files of their own stay there: their names are relative to the model's folder.
        model = onnx.load(paths.model, load_external_data=False)
        external = any(tensor.external_data for tensor in onnx.external_data_helper._get_all_tensors(model))
        if external and paths.output.resolve().parent != paths.model.resolve().parent:
            sys.exit(f"{paths.model} has weights in other files beside it: the output must be in the same folder")
        count = rewrite(model)
        onnx.save(model, paths.output)
    except Exception as error:  # not a file, not a model, not to be written
        sys.exit(f"{paths.model}: {error}")
    print(f"{paths.output}: {count} LRN rewritten")


if __name__ == "__main__":
    main()
