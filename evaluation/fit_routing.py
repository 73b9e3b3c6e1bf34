#!/usr/bin/env python3
"""Fits the weights of `agents/src/routing/weights.rs`.

    orchestratai eval --routing-features > features.jsonl
    evaluation/fit_routing.py features.jsonl

Prints the constants, and what ten-fold cross-validation over the labelled messages says of them. Only cases of the part to
develop on come in. Needs numpy and scipy.
"""

import json
import sys

import numpy as np
from scipy.optimize import minimize

# How much one sample counts: examples are easy, since whoever wrote them had the agent in mind.
SHARE = {"case": 1.0, "question": 0.7, "example": 0.1, "new_house": 0.5}
RIDGE_SPECIALISTS = 0.004
RIDGE_GATE = 0.004
FOLDS = 10
# Which message is in which fold changes the belief in the second digit.
BELIEF_REPEATS = 20


def fit_specialists(samples):
    samples = [s for s in samples if s["agent"] > 0]
    x = np.array([s["specialists"] for s in samples])
    y = np.array([s["agent"] - 1 for s in samples])
    share = np.array([SHARE[s["source"]] for s in samples])
    # Only differences between specialists decide; each feature is measured by how much they differ.
    scale = (x - x.mean(1, keepdims=True)).std((0, 1)) + 1e-9
    z = x / scale

    def loss(w):
        p = softmax(z @ w)
        error = p.copy()
        error[np.arange(len(y)), y] -= 1
        value = -(share * np.log(p[np.arange(len(y)), y] + 1e-12)).sum() / share.sum() + RIDGE_SPECIALISTS * (w**2).sum()
        return value, np.einsum("n,nk,nkf->f", share, error, z) / share.sum() + 2 * RIDGE_SPECIALISTS * w

    # What speaks for an agent never speaks against it.
    bounds = [(0, None)] * z.shape[2]
    return minimize(loss, np.full(z.shape[2], 0.1), jac=True, bounds=bounds, method="L-BFGS-B").x / scale


def fit_gate(samples):
    x = np.array([s["gate"] for s in samples])
    y = np.array([s["agent"] == 0 for s in samples], float)
    share = np.array([SHARE[s["source"]] for s in samples])
    mean, scale = x.mean(0), x.std(0) + 1e-6
    z = np.c_[(x - mean) / scale, np.ones(len(x))]

    def loss(w):
        p = 1 / (1 + np.exp(-z @ w))
        value = -(share * (y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))).sum() / share.sum()
        gradient = z.T @ (share * (p - y)) / share.sum()
        gradient[:-1] += 2 * RIDGE_GATE * w[:-1]
        return value + RIDGE_GATE * (w[:-1] ** 2).sum(), gradient

    w = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    weights = w[:-1] / scale
    return weights, w[-1] - (weights * mean).sum()


def softmax(scores):
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def probabilities(samples, specialists, gate, bias):
    own = 1 / (1 + np.exp(-(np.array([s["gate"] for s in samples]) @ gate + bias)))
    rest = softmax(np.array([s["specialists"] for s in samples]) @ specialists)
    return np.c_[own, (1 - own)[:, None] * rest]


def cross_validated(samples, seed):
    """Probabilities of all samples by weights that were fitted without them, the labelled ones' folds being random."""
    # A message is in one fold, with whatever house it was measured in.
    labelled = sum(s["source"] in ("case", "question") for s in samples)
    folds = np.random.RandomState(seed).randint(0, FOLDS, labelled)
    examples = sum(s["source"] == "example" for s in samples)
    fold = np.concatenate([folds, np.full(examples, -1), folds])
    p = np.zeros((len(samples), 1 + len(samples[0]["specialists"])))
    for held_out in range(FOLDS):
        train = [s for s, f in zip(samples, fold) if f != held_out]
        test = np.where(fold == held_out)[0]
        p[test] = probabilities([samples[i] for i in test], fit_specialists(train), *fit_gate(train))
    return p, fold


def believed(log_odds, belief):
    return 1 / (1 + np.exp(-(belief[0] * log_odds + belief[1])))


def fit_belief(log_odds, right):
    """Platt scaling (Platt, 1999): what the log odds of the chosen one are times, and plus, with his targets, which keep off 0 and 1."""
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(belief):
        p = believed(log_odds, belief)
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()

    return minimize(loss, [1.0, 0.0]).x


def report_belief(samples, y):
    """Fits the belief on labelled messages as they are told by cross-validation; tells the error by folds that it was not fitted to."""
    labelled = np.array([s["source"] in ("case", "question") for s in samples])
    beliefs, before, after = [], [], []
    for seed in range(BELIEF_REPEATS):
        p, fold = cross_validated(samples, seed)
        p, fold, right = p[labelled], fold[labelled], p[labelled].argmax(1) == y[labelled]
        sure = p.max(1)
        log_odds = np.log(sure / (1 - sure + 1e-9))
        scaled = np.zeros(len(sure))
        for held_out in range(FOLDS):
            test = fold == held_out
            scaled[test] = believed(log_odds[test], fit_belief(log_odds[~test], right[~test]))
        beliefs.append(fit_belief(log_odds, right))
        before.append((calibration_error(sure, right), ((sure - right) ** 2).mean()))
        after.append((calibration_error(scaled, right), ((scaled - right) ** 2).mean()))
    tell = lambda figures: "calibration error {:.3f}, Brier score {:.4f}".format(*np.mean(figures, 0))
    print(f"// belief: {tell(before)} without, {tell(after)} with it")
    print("const BELIEF: (f32, f32) = ({:.3f}, {:.3f});".format(*np.mean(beliefs, 0)))


def calibration_error(sure, right):
    bins = np.minimum((sure * 10).astype(int), 9)
    return sum(abs((sure[bins == b] - right[bins == b]).sum()) for b in range(10)) / len(sure)


def report(name, p, y):
    right, sure = p.argmax(1) == y, p.max(1)
    surest = np.argsort(-sure)[: round(0.6 * len(y))]
    ece = calibration_error(sure, right)
    loss = -np.log(p[np.arange(len(y)), y] + 1e-9).mean()
    print(f"// {name}: right {right.mean():.3f}, surest 60 % {right[surest].mean():.3f}, calibration error {ece:.3f}, loss {loss:.3f}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        samples = [json.loads(line) for line in file]
    p, _ = cross_validated(samples, 0)
    y = np.array([s["agent"] for s in samples])
    for source in ("case", "question", "new_house"):
        of_source = np.array([s["source"] == source for s in samples])
        report(f"{source}s, cross-validated", p[of_source], y[of_source])
    gate, bias = fit_gate(samples)
    show = lambda weights: "[" + ", ".join(f"{w:.3f}" for w in weights) + "]"
    print(f"const SPECIALIST: SpecialistFeatures = {show(fit_specialists(samples))};")
    print(f"const GATE: GateFeatures = {show(gate)};")
    print(f"const GATE_BIAS: f32 = {bias:.3f};")
    report_belief(samples, y)


if __name__ == "__main__":
    main()
