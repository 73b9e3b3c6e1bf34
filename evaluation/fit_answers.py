"""Fits what the extractive model judges passages and answers by; `README.md` beside it says how to use it.

    python3 evaluation/fit_answers.py passages features.jsonl
    python3 evaluation/fit_answers.py answers features.jsonl

Prints the constants of `agents/src/model/weights.rs` and, for questions that they were not fitted to, how well they do.
Needs Python 3 and numpy. Reads only the part to develop on.
"""

import json
import pathlib
import re
import sys

import numpy as np

FOLDS = 10
SEEDS = 5
RIDGE = 10
# Of answers, which have a case for each question and no more.
RIDGE_ANSWERS = 5
# Shares of the answerable questions that may be refused, at which the others' share is told.
REFUSED = (0.03, 0.05, 0.07, 0.1, 0.15)
# The least confidence of an answer that is given, as in `agents/src/model/confidence.rs`.
ANSWERS = 0.5
SET = pathlib.Path(__file__).parent / "sets/demo"


def plain(text):
    """As `support::plain` of the evaluation."""
    text = re.sub(r"[*`_|#]", "", re.sub(r"\[[1-9]\d{0,2}\](?!\()", "", text))
    return " ".join(text.lower().split())


def held(question, text):
    """Whether a text holds all that is needed."""
    text = plain(text)
    has = [plain(gold["answer"]) in text for gold in question["gold"]]
    return bool(has) and (any(has) if question.get("any") else all(has))


def fit(x, y, ridge):
    """Logistic regression by Newton's method; the ridge is on standardised features and leaves the bias alone."""
    mean, scale = x.mean(0), x.std(0) + 1e-9
    z = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    penalty = np.diag([ridge] * x.shape[1] + [0.0])
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        step = np.linalg.solve(z.T @ (z * (p * (1 - p))[:, None]) + penalty, z.T @ (y - p) - penalty @ w)
        w += step
        if abs(step).max() < 1e-8:
            break
    weights = w[:-1] / scale
    return weights, w[-1] - weights @ mean


def crossed(x, y, group, ridge):
    """Log odds of each row by weights that were fitted to other questions; the mean over several ways to divide them."""
    out = np.zeros(len(y))
    for seed in range(SEEDS):
        fold = (np.random.RandomState(seed).permutation(group.max() + 1) % FOLDS)[group]
        for one in range(FOLDS):
            weights, bias = fit(x[fold != one], y[fold != one], ridge)
            out[fold == one] += (x[fold == one] @ weights + bias) / SEEDS
    return out


def probability(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def printed(name, names, weights, bias):
    print(f"{name}: [")
    for title, weight in zip(names, weights):
        print(f"    {weight:.3f}, // {title}")
    print(f"]\n{name}_BIAS: {bias:.3f}")


def passages(cases):
    x, y, group = [], [], []
    numbers = {}
    for question, seen in cases:
        number = numbers.setdefault(seen["question"], len(numbers))
        for passage in seen["passages"]:
            text = plain(passage["text"])
            x.append(passage["features"])
            y.append(any(plain(gold["answer"]) in text for gold in question["gold"]))
            group.append(number)
    x, y, group = np.array(x), np.array(y, float), np.array(group)
    answerable = np.isin(group, [numbers[seen["question"]] for question, seen in cases if question["gold"]])
    for ridge in (3, 10, 30):
        odds = crossed(x[answerable], y[answerable], group[answerable], ridge)
        of, right = group[answerable], y[answerable]
        ranks = [np.flatnonzero(right[of == one][np.argsort(-odds[of == one])]) for one in np.unique(of)]
        at = [np.mean([len(rank) > 0 and rank[0] < depth for rank in ranks]) for depth in (1, 2, 3, 5, 7)]
        print(f"ridge {ridge}: an answering passage among the first 1, 2, 3, 5, 7:", np.round(at, 3))
    printed("PASSAGE", cases[0][1]["passage_names"], *fit(x[answerable], y[answerable], RIDGE))


def answers(cases):
    x = np.array([seen["answer"] for _, seen in cases])
    right = np.array([held(question, " ".join(seen["chosen"])) for question, seen in cases], float)
    answerable = np.array([bool(question["gold"]) for question, _ in cases])
    _, group = np.unique([seen["question"] for _, seen in cases], return_inverse=True)
    print(f"held by {right[answerable].mean():.3f} of the answers to the answerable, before any is refused")
    for ridge in (1, 3, 5, 10, 30):
        given_from = probability(crossed(x, answerable.astype(float), group, ridge))
        confidence = np.maximum(probability(crossed(x, right, group, ridge)), ANSWERS)
        print(f"ridge {ridge}, at each least probability of an answer:")
        for share in REFUSED:
            least = np.quantile(given_from[answerable], share)
            given = given_from >= least
            bins = np.minimum((confidence * 10).astype(int), 9)
            error = sum(abs((confidence - right)[given & (bins == one)].sum()) for one in range(10)) / given.sum()
            print(
                f"    {least:.2f}: refused {(~given)[answerable].mean():.3f} of the answerable, {(~given)[~answerable].mean():.3f} of "
                f"the others; right of the given {right[given].mean():.3f}, calibration error {error:.3f}"
            )
    names = cases[0][1]["answer_names"]
    printed("ANSWERABLE", names, *fit(x, answerable.astype(float), RIDGE_ANSWERS))
    printed("RIGHT", names, *fit(x, right, RIDGE_ANSWERS))


def main():
    what, paths = sys.argv[1], sys.argv[2:]
    cases = [json.loads(line) for line in (SET / "questions.jsonl").read_text().splitlines() if line.strip()]
    by_words = {case["question"]: case for case in cases if case["part"] == "develop"}
    # Messages out of scope are asked as well, and have no answer.
    cases = [json.loads(line) for line in (SET / "routing.jsonl").read_text().splitlines() if line.strip()]
    outside = [case for case in cases if case["part"] == "develop" and case["kind"] == "out_of_scope"]
    by_words |= {case["message"]: {"gold": []} for case in outside}
    logged = "".join(pathlib.Path(path).read_text() for path in paths)
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    seen = [json.loads(line["message"]) for line in lines if line.get("message", "").startswith("{")]
    # What was said before a follow-up was asked as well, and is no case; a follow-up itself is seen with words of what was said behind it.
    follow_ups = [words for words, case in by_words.items() if case.get("after")]
    asked = lambda words: next((one for one in follow_ups if words.startswith(one + " ")), words)
    pairs = [(by_words[asked(s["question"])], s) for s in seen if asked(s["question"]) in by_words]
    {"passages": passages, "answers": answers}[what](pairs)


main()
