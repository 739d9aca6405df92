"""Compares the crate's INI reader with Python's configparser on random texts.

Makes plausible, hostile and mutated texts, a quarter of them defaults and a configuration laid
over them, asks both and compares the whole answers: sections and options in order, raw values,
interpolated values, and of errors the kind, the text, the lines, the section, the option and the
missing reference.

    cargo build --example ini_dump
    python3.11 tests/conformance/ini_differential.py --binary target/debug/examples/ini_dump

The one thing that Python does not have is the bound on interpolated values. Options that hit it
are counted, and are a disagreement unless Python's value is larger than the bound too.

Letters are those of Unicode 14, which Python 3.11 knows: 55 code points that got a lower case
later (Rust knows them) would be a disagreement without a mistake, and so would marks that are
newer, or U+1171E, beside a capital sigma, whose lower case depends on its neighbours. Lone
surrogates, which only Python's strings can hold, are left out as well.
"""

from __future__ import annotations

import argparse
import configparser
import itertools
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, cast

Answer = dict[str, Any]
Texts = list[str]

FIXTURE = Path(__file__).parent.parent / "fixtures" / "python-configparser.json"
SHOWN = 10
MAX_INTERPOLATED = 64 * 1024
TOO_LARGE = {"e": "InterpolationTooLarge"}

SPACES = [" ", "  ", "\t", "\x0b", "\x0c", "\r", "\x1c", "\x1d", "\x1e", "\x1f", "\x85"]
SPACES += ["\xa0", "\u2003", "\u2028", "\u2029", "\u3000", "\u1680", "\u202f", "\u205f"]
NOT_SPACES = ["\ufeff", "\u200b", "\u180e", "\x00", "\x1b", "\x7f", "\u2060"]
LINE_ENDS = ["\n"] * 12 + ["\r\n"] * 4
LINE_ENDS += ["\r", "\n\r", "\n\n", "\r\r\n", "\x0b\n", "\x0c\n", "\u2028"]
NAMES = ["a", "b", "c", "A", "B", "key", "Key", "KEY", "x y", "x\ty", "http", "ca", "port"]
NAMES += ["k1", "k2", "é", "É", "ß", "ẞ", "İ", "ı", "ΑΣ", "ας", "Σ", "ΑΣ.", "ΣΑ", "Ǆ", "ǅ"]
NAMES += ["Ω", "𐐀", "日本", "a%b", "(a", "a)", "[a", "a]", "%"]
SECTIONS = ["s", "t", "S", " s ", "DEFAULT", "DEFAULT", "DEFAULT ", "default", "a b=c", "s]"]
SECTIONS += ["[s", "a[0]", "é", "É", "", " ", "]", "[]", "s = 1", "s;c", "#s", "\u2028"]
SECTIONS += ["\xa0", "\r", "x\ry", "connection_limit by=client_ip"]
REFERENCES = ["%(a)s", "%(A)s", "%(b)s", "%(key)s", "%(nosuch)s", "%(É)s", "%(k1)s", "%( a)s"]
REFERENCES += ["%(a )s", "%(x y)s", "%((a)s", "%(%(a)s)s", "%(a%b)s", "%(ΑΣ)s", "%(İ)s"]
REFERENCES += ["%(\n)s"]
PERCENTS = ["%", "%%", "%%%", "%()s", "%(a", "%(a)", "%(a)d", "%(a)S", "%(a) s", "%s", "%("]
PERCENTS += ["%)", "%%(a)s", "%%%(a)s", "100%%", "50% off", "%\n", "%(a)ss", "%é"]
VALUES = ["", "1", "yes", "two words", "v ; c", "v # c", "#v", ";v", "a=b", "a:b", "= :"]
VALUES += ["::1", "[x]", "[x] y", "]", "[", "-----BEGIN CERTIFICATE-----"]
VALUES += ["MIIBszCCARygAwIBAgIJAKb+/x==", "(&(cn={})(ou=x))", "$", "'q'", '"', "\\", "\\n"]
VALUES += ["https://h:1/x", "\xa0", "x\x1cy", "\x1cx\x1c", "x\ry", "x\u2028y", "😀", "á\u0301"]
DELIMITERS = ["=", ":", " = ", " : ", "= ", " =", "\t=\t", "==", "=:", ":=", " = = "]
DELIMITERS += ["\xa0=\xa0", "\x1c=\x1c", " "]


class Generator:
    """Makes texts from one seed."""

    def __init__(self, seed: int, fixture: list[Texts]) -> None:
        self.random = random.Random(seed)
        self.fixture = fixture

    def case(self) -> Texts:
        """Makes the texts of one case: defaults and configuration in one of four, else one text."""
        kind = self.random.choices(["plausible", "hostile", "mutated", "chain"], [35, 35, 25, 5])[0]
        if kind == "mutated":
            texts = [self.mutated(text) for text in self.random.choice(self.fixture)]
            if len(texts) == 1 and self.chance(0.25):
                texts.insert(0, self.mutated(self.random.choice(self.fixture)[0]))
            return texts
        makers = {"plausible": self.plausible, "hostile": self.hostile, "chain": self.chain}
        return [makers[kind]() for _ in range(2 if self.chance(0.25) else 1)]

    def chance(self, probability: float) -> bool:
        """Tosses a coin."""
        return self.random.random() < probability

    def pick(self, words: list[str]) -> str:
        """Takes one of the words."""
        return self.random.choice(words)

    def plausible(self) -> str:
        """Makes what people write: sections, options, continuations, comments; seldom wrong."""
        end = "\r\n" if self.chance(0.2) else "\n"
        lines: list[str] = ["\ufeff"] if self.chance(0.01) else []
        names = ["s", "t", "ldap", "DEFAULT", "DEFAULT", "whitelist source=user_list", "S"]
        self.random.shuffle(names)
        for section in names[: self.random.randint(1, 4)]:
            lines.append(f"[{section}]" + self.pick([""] * 8 + [" ", " ; c", " a = 1"]))
            indent = self.pick([""] * 8 + [" ", "  "])
            options = self.random.sample(NAMES[:14], self.random.randint(0, 5))
            for option in options if self.chance(0.9) else options + options[:1]:
                lines.append(
                    indent + option + self.pick(["=", " = ", ": ", " : ", "="]) + self.value()
                )
                for _ in range(self.random.choice([0, 0, 0, 0, 1, 2, 4])):
                    lines.append(self.pick([" ", "  ", "\t", "    "]) + self.value())
                    lines += self.random.choice(
                        [[], [], [], [""], ["# c"], ["  ; c"], ["", "", "# c", ""], [" "]]
                    )
            lines += self.random.choice([[], [""], ["# a = 1"], ["; c", ""], ["\t# c"]])
        if self.chance(0.05):
            lines.append(self.pick(["bad", " bad", "= v", "[", "[]", "[u"]))
        if self.chance(0.1):
            at = self.random.randrange(len(lines))
            lines[at] = self.pick(SPACES) + lines[at]
        return end.join(lines) + self.pick([end, end, ""])

    def value(self) -> str:
        """Makes one line of a value."""
        kind = self.random.random()
        if kind < 0.55:
            return self.pick(VALUES)
        if kind < 0.75:
            return "".join(
                self.pick([*REFERENCES, "x", "", " "]) for _ in range(self.random.randint(1, 3))
            )
        if kind < 0.85:
            return self.pick(["", "x"]) + self.pick(PERCENTS) + self.pick(["", "x", "%(a)s"])
        return self.pick(VALUES) + self.pick(SPACES + NOT_SPACES) + self.pick(VALUES)

    def hostile(self) -> str:
        """Makes a soup of lines, most of them wrong somewhere."""
        text = "" if self.chance(0.15) else f"[{self.pick(SECTIONS)}]\n"
        for _ in range(self.random.randint(0, 9)):
            indent = "".join(
                self.pick(SPACES) for _ in range(self.random.choice([0, 0, 0, 1, 1, 2, 3]))
            )
            text += indent + self.soup() + self.pick(LINE_ENDS)
        if self.chance(0.03):
            text = "\ufeff" + text
        return text if self.chance(0.8) else text.rstrip("\n")

    def soup(self) -> str:
        """Makes one line."""
        kind = self.random.random()
        if kind < 0.2:
            trailing = self.pick(["", "", "", " ", " ; c", " ]", "]", " [x]", " = 1", "\r", "\x1c"])
            return (
                self.pick(["[", "[", "[", "[[", ""])
                + self.pick(SECTIONS)
                + self.pick(["]", "]", "]", "]]", ""])
                + trailing
            )
        if kind < 0.6:
            name = self.pick([*NAMES, "", "a", "b", f"n{self.random.randrange(100)}"])
            return name + self.pick(DELIMITERS) + self.value() + self.pick(["", "", "", *SPACES])
        if kind < 0.7:
            return self.pick(["#", ";", "# ", "; a = 1", "#[s]", "\ufeff#"]) + self.pick(VALUES)
        if kind < 0.8:
            return self.pick(["", "", *SPACES, *NOT_SPACES])
        if kind < 0.9:
            return self.value()
        pool = [*"[]=:%()s#;ab \t\r", *SPACES, *NOT_SPACES, "é", "İ", "Σ"]
        return "".join(self.pick(pool) for _ in range(self.random.randint(1, 12)))

    def chain(self) -> str:
        """Makes references nested about as deep as is allowed, some with a loop or a hole."""
        depth, width = self.random.randint(7, 13), self.random.choice([1, 1, 1, 2])
        if self.chance(0.005):
            depth, width = 6, 9  # beyond the bound
        names = [f"k{level}" for level in range(depth)]
        options = [
            f"{name} = " + f"%({below})s" * width for name, below in itertools.pairwise(names)
        ]
        options.append(
            f"{names[-1]} = "
            + self.pick(["end", "%%end", "%", "", "%(nosuch)s", "%(k0)s", "%%", "é"])
        )
        if self.chance(0.3):
            options[self.random.randrange(depth)] = self.pick(
                ["# gone", "k3 = x", "K4 = %(k2)s", "k5 = 50%"]
            )
        cut = self.random.choice([0, 0, self.random.randrange(depth)])
        self.random.shuffle(options)
        head = "[DEFAULT]\n" + "\n".join(options[:cut]) + "\n" if cut else ""
        override = "k2 = own\n" if cut and self.chance(0.2) else ""
        return head + "[s]\n" + "\n".join(options[cut:]) + "\n[t]\n" + override

    def mutated(self, text: str) -> str:
        """Changes a text of the fixture in a few places."""
        for _ in range(self.random.randint(1, 4)):
            lines = text.split("\n")
            at, other = (self.random.randrange(len(lines)), self.random.randrange(len(lines)))
            position = self.random.randrange(len(text) + 1)
            kind = self.random.randrange(9)
            if kind == 0:
                text = text[:position] + self.pick(SPACES + NOT_SPACES) + text[position:]
            elif kind == 1:
                text = text[:position] + text[position + self.random.randint(1, 3) :]
            elif kind == 2:
                text = (
                    text[:position]
                    + self.pick([*"[]=:%#;\n\r", "%%", *REFERENCES, *PERCENTS])
                    + text[position:]
                )
            elif kind == 3:
                lines[at], lines[other] = lines[other], lines[at]
                text = "\n".join(lines)
            elif kind == 4:
                lines[at] = self.pick(SPACES) + lines[at]
                text = "\n".join(lines)
            elif kind == 5:
                lines.insert(other, lines[at])
                text = "\n".join(lines)
            elif kind == 6:
                lines.insert(at, self.soup())
                text = "\n".join(lines)
            elif kind == 7:
                lines[at] = lines[at].lstrip() if self.chance(0.5) else lines[at].upper()
                text = "\n".join(lines)
            else:
                text = text.replace(
                    "\n", self.pick(["\r\n", "\n\n", "\n ", "\r"]), self.random.randint(1, 3)
                )
        return text


def python_answer(texts: Texts) -> Answer:
    """Answers in the form of the fixture's ``python`` members."""
    parser = configparser.ConfigParser()
    for number, text in enumerate(texts):
        try:
            parser.read_string(text)
        except configparser.Error as error:
            return {"ok": False, "error": reading_error(error, number)}
    raw = {name: own(parser, name) for name in parser.sections()}
    final = {name: got(parser, name, parser.options(name)) for name in parser.sections()}
    if parser.defaults():
        raw["DEFAULT"] = dict(parser.defaults())
        final["DEFAULT"] = got(parser, "DEFAULT", list(parser.defaults()))
    return {"ok": True, "order": parser.sections(), "raw": raw, "final": final}


def own(parser: configparser.ConfigParser, section: str) -> dict[str, str]:
    """Lists the section's own raw values, for which configparser has no public name."""
    return dict(cast(Any, parser)._sections[section])


def got(parser: configparser.ConfigParser, section: str, options: list[str]) -> dict[str, Answer]:
    """Gets every option."""
    answers: dict[str, Answer] = {}
    for option in options:
        try:
            answers[option] = {"v": parser.get(section, option)}
        except configparser.InterpolationMissingOptionError as error:
            answers[option] = {"e": type(error).__name__, "ref": error.reference}
        except configparser.InterpolationError as error:
            answers[option] = {"e": type(error).__name__}
    return answers


def reading_error(error: configparser.Error, number: int) -> Answer:
    """Tells what the fixture holds of an error of reading."""
    answer: Answer = {"kind": type(error).__name__, "text": number}
    if isinstance(error, configparser.MissingSectionHeaderError):
        answer["line"] = error.lineno
    elif isinstance(error, configparser.ParsingError):
        answer["lines"] = [line for line, _ in error.errors]
        answer["line"] = answer["lines"][0]
    elif isinstance(error, configparser.DuplicateSectionError):
        answer |= {"line": error.lineno, "section": error.section}
    elif isinstance(error, configparser.DuplicateOptionError):
        answer |= {"line": error.lineno, "section": error.section, "option": error.option}
    else:
        raise TypeError(f"configparser raised {error!r}")
    return answer


def forgive_bound(python: Answer, ours: Answer) -> int:
    """Puts Python's answer where ours is the bound and Python's is beyond it; tells how many."""
    forgiven = 0
    if not (python["ok"] and ours["ok"]):
        return 0
    for section, options in ours["final"].items():
        for option, answer in options.items():
            theirs: Answer = python["final"].get(section, {}).get(option, {})
            if answer == TOO_LARGE and len(theirs.get("v", "").encode()) > MAX_INTERPOLATED:
                options[option] = theirs
                forgiven += 1
    return forgiven


def ask(binary: subprocess.Popen[bytes], texts: Texts) -> Answer:
    """Sends one line and reads one."""
    to, back = cast(IO[bytes], binary.stdin), cast(IO[bytes], binary.stdout)
    to.write(json.dumps(texts).encode() + b"\n")
    to.flush()
    line = back.readline()
    if not line:
        raise BrokenPipeError(f"ini_dump ended on {json.dumps(texts)}")
    return cast(Answer, json.loads(line))


def main() -> int:
    """Compares and reports; 1 on any disagreement or if fewer texts than asked were compared."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--binary", type=Path, required=True, help="the ini_dump example")
    options.add_argument(
        "--count", type=int, default=20_000, help="how many random cases (default: %(default)s)"
    )
    options.add_argument(
        "--seed", type=int, default=None, help="repeats an earlier run (default: random, printed)"
    )
    arguments = options.parse_args()
    seed: int = (
        random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    )
    print(f"Python {sys.version.split()[0]}, seed {seed}")

    fixture: list[Texts] = [
        case["texts"] for case in json.loads(FIXTURE.read_text(encoding="utf-8"))
    ]
    generator = Generator(seed, fixture)
    started = time.monotonic()
    compared = accepted = pairs = bounded = disagreements = 0
    try:
        with subprocess.Popen(
            [arguments.binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as binary:
            for number in range(arguments.count):
                texts = generator.case()
                python, ours = python_answer(texts), ask(binary, texts)
                bounded += forgive_bound(python, ours)
                compared += 1
                accepted += python["ok"]
                pairs += len(texts) == 2
                # As text, so that the order of sections and options counts.
                if json.dumps(python) != json.dumps(ours):
                    disagreements += 1
                    if disagreements <= SHOWN:
                        print(f"disagreement at {number}:\n  texts  {json.dumps(texts)}")
                        print(f"  python {json.dumps(python)}\n  ours   {json.dumps(ours)}")
    except OSError as error:
        print(f"stopped: {error}")
    seconds = time.monotonic() - started
    print(
        f"compared {compared} of {arguments.count} cases, {pairs} of two texts, in {seconds:.1f} s"
    )
    print(f"Python accepts {accepted}, options beyond our bound {bounded}")
    print(f"disagreements {disagreements}")
    return int(disagreements > 0 or compared < arguments.count)


if __name__ == "__main__":
    sys.exit(main())
