#!/usr/bin/env python3
"""Fits the weights of `agents/src/guardrail/grounding/support.rs`; `README.md` beside it says how to use it.

    GROUNDING_FIGURES=$PWD/figures.jsonl cargo test -p orchestratai-agents labelled
    evaluation/fit_grounding.py figures.jsonl

Prints the constants, fitted on the part to develop on, and what they take for supported of both parts. Needs numpy.
"""

import json
import sys

import numpy as np

# How strongly weights are drawn to 0.
RIDGE = 1 / 3


def fit(x, y):
    """By Newton's method; the last weight is the constant, and is drawn to nothing."""
    x = np.c_[x, np.ones(len(x))]
    ridge = np.diag([RIDGE] * (x.shape[1] - 1) + [0])
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        w -= np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, x.T @ (p - y) + ridge @ w)
    return w


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        samples = list(map(json.loads, file))
    # What has another number or name is not judged by figures, and of what is supported in part nobody can say yes or no.
    fitted = [s for s in samples if s["part"] == "develop" and s["has_figures"] and s["label"] != "partly"]
    w = fit(np.array([s["figures"] for s in fitted]), np.array([s["label"] == "supported" for s in fitted], float))
    print("WORDS {:.2f}, MEANING {:.2f}, TURNED {:.2f}, BIAS {:.2f}".format(*w))
    for part in ("develop", "decide"):
        for kind in ("supported", "partly", "figure", "contrary", "made_up"):
            of_kind = [s for s in samples if s["part"] == part and s.get("kind", s["label"]) == kind]
            taken = sum(s["has_figures"] and np.r_[s["figures"], 1] @ w >= 0 for s in of_kind)
            print(f"{part}: {taken} of {len(of_kind)} that are {kind}")


main()
