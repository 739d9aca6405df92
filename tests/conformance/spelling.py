"""Other spellings of the same arguments, which our binary takes and the SDK never sees."""

from dice import Dice
from wire import Json

DEPRECATED = {
    "server_username": "target_username",
    "server_domain": "target_domain",
    "server_port": "target_port",
    "gateway_user": "gateway_username",
    "gateway_username": "gateway_user",
}


def spelled(dice: Dice, arguments: dict[str, Json]) -> dict[str, Json]:
    """Leave nulls out, shuffle, use deprecated names, add what nobody knows."""
    items = list(arguments.items())
    if dice.chance(0.3):
        items = [(name, value) for name, value in items if value is not None]
    if dice.chance(0.2):
        items = [(DEPRECATED.get(name, name), value) for name, value in items]
    if dice.chance(0.2):
        dice.shuffle(items)
    if dice.chance(0.1):
        items.append(("an_argument_of_sps_12", {"new": True}))
    return dict(items)
