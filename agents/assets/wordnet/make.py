"""Makes near.txt, opposite.txt and irregular.txt: make.py FOLDER-OF-WORDNET. See README.md."""

import collections
import pathlib
import re
import sys

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
STATIC = HERE.parent / "minilm-static"
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
WORD = re.compile(r"[a-z]{3,}")

wordnet = pathlib.Path(sys.argv[1])
tokenizer = Tokenizer.from_file(str(STATIC / "tokenizer.json"))
table = load_file(STATIC / "model.safetensors")
vectors = {}


def vector(word):
    if word not in vectors:
        ids = [i for i in tokenizer.encode(word, add_special_tokens=False).ids if i > 1]
        total = sum((table["embeddings"][i].astype(numpy.float32) * table["weights"][i] for i in ids), numpy.zeros(256))
        length = numpy.linalg.norm(total)
        vectors[word] = total / length if length else total
    return vectors[word]


def cosine(pair):
    return float(vector(pair[0]) @ vector(pair[1]))


def lines(name):
    with open(wordnet / name, encoding="latin1") as file:
        yield from (line for line in file if not line.startswith(" "))


synsets, pointers = {}, collections.defaultdict(list)
for part, letter in PARTS.items():
    for line in lines(f"data.{part}"):
        fields = line.split(" | ")[0].split()
        key, count = (letter, fields[0]), int(fields[3], 16)
        synsets[key] = [re.sub(r"\(.*\)", "", fields[4 + 2 * i]).lower() for i in range(count)]
        at = 5 + 2 * count
        for _ in range(int(fields[at - 1])):
            symbol, offset, of, places = fields[at : at + 4]
            pointers[key].append((symbol, ("a" if of == "s" else of, offset), int(places[:2], 16), int(places[2:], 16)))
            at += 4

senses = {}
for part, letter in PARTS.items():
    for line in lines(f"index.{part}"):
        fields = line.split()
        for at, offset in enumerate(fields[-int(fields[2]) :]):
            senses[fields[0], letter, offset] = at + 1

counts = collections.Counter()
for line in lines("cntlist.rev"):
    key, number, count = line.split()
    lemma, rest = key.split("%")
    counts[lemma, "nvara"[int(rest[0]) - 1], int(number)] = int(count)
used = {word for (word, part, _), count in counts.items() if count > 0}


def sense(word, synset):
    return senses.get((word, *synset), 99)


def is_pair(a, b):
    return a != b and WORD.fullmatch(a) and WORD.fullmatch(b)


def ordered(a, b):
    return min(a, b), max(a, b)


near, opposite = collections.defaultdict(set), {}
for synset, words in synsets.items():
    for at, a in enumerate(words):
        for b in words[:at]:
            one, other = sense(a, synset), sense(b, synset)
            if is_pair(a, b) and (a in used or b in used):
                is_frequent = one <= 4 and other <= 4 and one + other <= 7
                near[ordered(a, b)].add("synonym" if is_frequent else "rare synonym")
    for symbol, target, source_place, target_place in pointers[synset]:
        if source_place and target_place:
            a, b = words[source_place - 1], synsets[target][target_place - 1]
            if symbol == "+" and is_pair(a, b) and (a in used or b in used):
                near[ordered(a, b)].add("derived")
            if symbol == "!" and is_pair(a, b):
                opposite[ordered(a, b)] = True
        elif symbol == "@" and synset[0] == target[0] == "v":
            for a in words:
                for b in synsets[target]:
                    if is_pair(a, b) and sense(a, synset) <= 2 and sense(b, target) <= 2 and cosine((a, b)) >= 0.5:
                        near[ordered(a, b)].add("step")
for synset, words in synsets.items():
    for symbol, head, _, _ in pointers[synset]:
        if symbol != "&" or synset[0] != "a":
            continue
        for other, target, _, place in pointers[head]:
            for a in words if other == "!" else []:
                b = synsets[target][place - 1]
                if is_pair(a, b) and a in used and b in used and sense(a, synset) <= 2 and sense(b, target) <= 2:
                    opposite.setdefault(ordered(a, b), True)

irregular = {}
for name in ("verb.exc", "noun.exc"):
    for line in lines(name):
        form, *regular = line.split()
        if len(regular) == 1 and is_pair(form, regular[0]) and regular[0] in used and not re.search("(ed|ing|s)$", form):
            irregular.setdefault(form, regular[0])
KEPT = {"children", "people", "men", "women"}
for form in list(irregular):
    # A word of its own in another sense.
    if form not in KEPT and any(counts[form, "n", number] > 5 for number in range(1, 30)):
        del irregular[form]


def write(name, pairs):
    fellows = collections.defaultdict(set)
    for a, b in pairs:
        fellows[a].add(b)
    text = "".join(" ".join([word, *sorted(fellows[word])]) + "\n" for word in sorted(fellows))
    (HERE / name).write_text(text)


def is_near(pair, why):
    if pair in opposite:
        return False
    is_rare = pair[0] not in used or pair[1] not in used or why == {"rare synonym"}
    return cosine(pair) >= (0.5 if is_rare else 0.3 if "synonym" in why else 0.4)


write("near.txt", (pair for pair, why in near.items() if is_near(pair, why)))
write("opposite.txt", opposite)
write("irregular.txt", ((regular, form) for form, regular in irregular.items()))
