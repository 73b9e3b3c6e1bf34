#!/usr/bin/env python3
"""Fits the weights of `agents/src/routing/injection/weights.rs`; `README.md` beside it says how to use it.

    orchestratai eval --injection-features > features.jsonl
    evaluation/fit_injections.py features.jsonl

Prints the constants, and what cross-validation says of them: attempts are judged by weights that were fitted without any of their
family, honest messages by weights that were fitted without a random part of them. Attempts among the cases of the part to develop
on judge only. Needs numpy and scipy.
"""

import json
import sys

import numpy as np
from scipy.optimize import minimize

# How strongly weights are drawn to 0.
RIDGE = {"concept": 1.0, "first": 1.0, "shape": 0.5, "meaning": 0.0625}
# As in `detector.rs`.
ATTEMPT = 1.0
MEANING_MAX = 2.5


def kind(name):
    return "first" if name.startswith("first ") else "concept" if name in CONCEPTS else "shape"


def fit(x, y, ridge):
    def loss(w):
        z = x @ w[:-1] + w[-1]
        gradient = 1 / (1 + np.exp(-z)) - y
        value = (np.logaddexp(0, z) - y * z).sum() + 0.5 * (ridge * w[:-1] ** 2).sum()
        return value, np.r_[x.T @ gradient + ridge * w[:-1], gradient.sum()]

    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x


def score(x, w, named):
    return x[:, :named] @ w[:named] + np.minimum(x[:, named:] @ w[named:-1], MEANING_MAX) + w[-1]


def printed(name, values):
    print(f"pub(super) const {name}: [f32; {len(values)}] = [{', '.join(f'{value:.3f}' for value in values)}];")


def main():
    global CONCEPTS
    with open(sys.argv[1], encoding="utf-8") as file:
        samples = list({s["message"]: s for s in map(json.loads, file)}.values())
    names = samples[0]["names"]
    CONCEPTS = {name[len("first ") :] for name in names if name.startswith("first ")}
    kinds = [kind(name) for name in names]
    named = len(names)
    x = np.array([s["features"] + s["meaning"] for s in samples])
    y = np.array([s["attempt"] for s in samples], float)
    family = np.array([s["family"] for s in samples])
    listed = np.array([s["is_listed"] for s in samples])
    ridge = np.array([RIDGE[k] for k in kinds] + [RIDGE["meaning"]] * (x.shape[1] - named))
    fitted = (y == 0) | (family != "develop")
    families = sorted(set(family[(y == 1) & (family != "develop")]))
    fold = np.where(y == 1, [families.index(f) if f in families else -1 for f in family],
                    np.random.RandomState(0).randint(0, len(families), len(y)))
    out = np.zeros(len(y))
    for one in range(len(families)):
        w = fit(x[fitted & (fold != one)], y[fitted & (fold != one)], ridge)
        out[fold == one] = score(x[fold == one], w, named)
    w = fit(x[fitted], y[fitted], ridge)
    out[fold == -1] = score(x[fold == -1], w, named)

    def told(title, chosen):
        found = out[chosen] >= ATTEMPT
        print(f"// {title}: {chosen.sum()}; by the detector {found.mean():.3f}, by lists {listed[chosen].mean():.3f}, "
              f"by either {(found | listed[chosen]).mean():.3f}")

    for one in families:
        told(f"attempts, {one}", (y == 1) & (family == one))
    told("attempts of all families, each unseen", (y == 1) & (family != "develop"))
    told("attempts to develop on, unseen", (y == 1) & (family == "develop"))
    told("honest look-alikes", (y == 0) & (family != "develop") & (family != "example"))
    told("honest examples", (y == 0) & (family == "example"))
    told("honest cases to develop on", (y == 0) & (family == "develop"))
    for message, odds in sorted(((s["message"], o) for s, o, a in zip(samples, out, y) if not a), key=lambda it: -it[1])[:20]:
        print(f"//   {odds:.2f} {message}")
    by_form = x[:, :named] @ w[:named] + w[-1]
    needs = by_form[(y == 0) & (family == "develop")] + MEANING_MAX >= ATTEMPT
    print(f"// of the honest cases to develop on {needs.mean():.3f} are embedded")
    print(f"pub(super) const BIAS: f32 = {w[-1]:.3f};")
    for title, of in (("CONCEPT", "concept"), ("FIRST", "first"), ("SHAPE", "shape")):
        printed(title, [value for value, k in zip(w, kinds) if k == of])
    printed("MEANING", w[named:-1])


if __name__ == "__main__":
    main()
