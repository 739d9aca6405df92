"""INI texts as administrators write them: right, but not tidy."""

from dice import Dice
from wire import Json

COMMENTS = ["# see the wiki", "; disabled = yes", "#", ";; [auth]", "# prompt = old"]
DELIMITERS = {" = ": 5, "=": 4, ": ": 2, " : ": 1, ":": 1, "\t=\t": 1, " =": 1}


class Ini:
    """Sections and options in the making, and the credential store behind the `$` values."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._sections: dict[str, dict[str, str]] = {}
        self.secrets: list[Json] = []

    def put(self, section: str, option: str, value: object, raw: bool = False) -> None:
        """Set an option. `raw` leaves a per cent sign alone, which then is an interpolation."""
        text = str(value)
        if not raw:
            text = text.replace("%", "%%")
        self._sections.setdefault(section, {})[option] = text

    def put_perhaps_secret(self, section: str, option: str, value: object) -> None:
        """Set an option, now and then to `$` with the value in the credential store."""
        if not self._dice.chance(0.08):
            self.put(section, option, value)
            return
        self.put(section, option, "$")
        # A `$` for which the store has nothing is a mistake that people make.
        if self._dice.chance(0.9):
            credentials: list[Json] = [str(value)]
            if self._dice.chance(0.2):
                credentials.insert(0, {"type": "ssh-rsa", "key": "not a password"})
            if self._dice.chance(0.2):
                credentials.append("second")
            # The names are looked up as the code writes them: section and lower-case option.
            entry = {
                "host": section,
                "user": option.lower(),
                "credentials": credentials,
            }
            self.secrets.append(entry)

    def options(self) -> list[tuple[str, str, str]]:
        """Give every option with its section and value."""
        return [
            (section, option, value)
            for section, options in self._sections.items()
            for option, value in options.items()
        ]

    def get(self, section: str, option: str) -> str | None:
        """Give the value as it was put."""
        return self._sections.get(section, {}).get(option)

    def drop(self, section: str, option: str) -> None:
        """Leave an option out, as somebody does who did not read the manual."""
        del self._sections[section][option]

    def text(self) -> str:
        """Write everything down, with the spelling left to chance."""
        dice = self._dice
        lines: list[str] = []
        names = list(self._sections)
        dice.shuffle(names)
        for name in names:
            lines.extend([""] * dice.randint(0, 2))
            lines.append(f"[{name}]" + dice.choice(["", "", "", " ", "  # header"]))
            options = list(self._sections[name].items())
            dice.shuffle(options)
            for option, value in options:
                if dice.chance(0.1):
                    lines.append(dice.choice(COMMENTS))
                lines.append(self._line(option, value))
        if dice.chance(0.1):
            # A space inside the brackets belongs to the name, so this is some other section.
            lines += [
                "[ auth ]",
                "prompt = never shown",
                "[unknown section]",
                "what = ever",
            ]
        end = dice.weighted({"\n": 12, "\r\n": 1})
        return end.join(lines) + dice.choice([end, end, ""])

    def _line(self, option: str, value: str) -> str:
        dice = self._dice
        if dice.chance(0.2):
            option = dice.choice([option.upper(), option.title(), option.capitalize()])
        delimiter = dice.weighted(DELIMITERS)
        return option + delimiter + value.replace("\n", "\n    ") + dice.choice(["", "", " ", "\t"])
