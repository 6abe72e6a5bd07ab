"""What people type who look for a thing: one of the right codes is among the first five."""

import pytest

from models.subjects import find_subjects

_FIRST = 5

# Written down before the words of the table were; those from the yellow sun on after it, untried.
_SEARCHES = """
five pointed star: 01.01.99
red star: 01.01 01.01.01 01.01.02
swiss cross: 24.13 24.13.01 24.13.22 24.13.23
running horse: 03.03.01 03.03.17
shield with lion: 24.01 24.01.09 03.01.01 03.01.02
flying bird: 03.07.16
play button: 26.03 26.03.01
crwon: 24.09 24.09.05
lion head: 03.01.16
horse head: 03.03.15
eagle head: 03.07.99
bull head: 03.04.13
head of an elephant: 03.02.15
rearing horse: 03.03.17
jumping dog: 03.01.21 03.01.08
sitting cat: 03.01.28 03.01.06
black cat: 03.01.06
howling wolf: 03.01.08
spread eagle: 03.07.16 03.07.01 03.07.02
dove with olive branch: 03.07.11 05.03.17
dog paw: 03.06.03
shark fin: 03.09.02 03.09.13
spider web: 03.13.08
bee hive: 03.13.05
snake around a stick: 03.11.03
fire breathing dragon: 04.03.03
pine tree: 05.01.10
palm tree on beach: 05.01.12 06.03.02 06.06.03
apple with leaf: 05.07.13
slice of lemon: 05.07.22 05.07.12
bunch of bananas: 05.07.18
wheat ears: 05.07.02
red rose: 05.05.01
laurel wreath: 05.13.01 05.13.04
snowy mountain: 06.01.02
rising sun: 01.03.01
sun with rays: 01.03.15 01.03.16 01.03.17 01.03.18
half moon: 01.07.06
globe with latitude lines: 01.05.02
flame: 01.15.05
water drop: 01.15.15
flash of lightning: 01.15.03
old man with beard: 02.01 02.01.01 02.09.12
woman face: 02.03 02.03.01
running man: 02.01.08
man on a horse: 02.01.20
broken heart: 02.09.01
crossed hands: 02.09.14 02.09.16
open eye: 02.09.04
smiling face: 02.01.97
castle tower: 07.01.01 07.01.06
house with garden: 07.01.09 07.01.08
eiffel tower: 07.05.02
lighthouse: 07.01.16
coffee bean: 05.07.27 05.07.01
steaming cup of coffee: 11.03.04
fork and knife: 11.01.01 11.01.05
wine bottle: 19.07 19.07.01
sailing boat: 18.03.02 18.03.09
racing car: 18.01.09
airplane wing: 18.05.01
crossed swords: 23.01.01
open book: 20.07.01 20.07.02
paper plane: 18.05.03
cog wheel: 15.07.01
curved arrow: 24.15 24.15.01 24.15.13
circular arrow: 24.15.13
check mark: 24.17.20
question mark: 24.17.04
circle with line through: 24.17.23 26.01.99
three stripes: 26.11.99 26.11.03
rounded square: 26.04.98
blue circle: 26.01 26.01.03 26.01.01
black triangle: 26.03.24 26.03 26.03.01
capital letter m: 27.99.13
maple leef: 05.03.04
buterfly: 03.13.01
pengiun: 03.07.08
elephnat: 03.02.01
dimond: 17.02.02 26.04.03 21.01.03
couronne: 24.09 24.09.05
chien: 03.01.08
chat noir: 03.01.06
étoile: 01.01 01.01.01
étoile à cinq branches: 01.01.99
soleil levant: 01.03.01
cheval cabré: 03.03.17
tête de lion: 03.01.16
aigle: 03.07.01
oiseaux: 03.07
papillon: 03.13.01
poisson: 03.09.01 03.09
feuille d'érable: 05.03.04
arbre: 05.01
fleur de lys: 24.11.18 05.05.02
pomme: 05.07.13
grappe de raisin: 05.07.10
montagne: 06.01.02
château: 07.01.01
maison: 07.01.08
tasse de café: 11.03.04
bouteille: 19.07
voiture: 18.01.09
bateau à voile: 18.03.02
avion: 18.05.01
clé: 14.05.01
livre ouvert: 20.07.01 20.07.02
flèche: 24.15
cercle rouge: 26.01
carré: 26.04.01
drapeau: 24.07
bouclier: 24.01
épée: 23.01.01
coeur: 02.09.01
femme: 02.03
main: 02.09.14
yellow sun: 01.03 01.03.02
two stars: 01.01.03
earth with a ring: 01.05.24 01.05
blue wave: 01.15.24
white cloud: 01.15.11
king with sceptre: 02.01.04 24.11.01
girl with umbrella: 02.05.03 10.03.01 10.03.04
chef with moustache: 02.01.11 02.09.12
golden lion: 03.01.01 03.01.02
bear with honey: 03.01.14
fox tail: 03.01.08 03.06.25 03.06.01
flying bee: 03.13.04
green frog: 03.11.12
octopus tentacles: 03.09.15
jumping fish: 03.09.01 03.09.11
two elephants: 03.02.04 03.02.01
rooster on a roof: 03.07.03 07.03.11
unicorn with rainbow: 04.03.09
tree with roots: 05.01 05.01.05 05.11.02
bamboo stalk: 05.11.13
cherry with stem: 05.07.16
olive oil drop: 05.07.19 01.15.15
old windmill: 07.01.13
small wooden house: 07.01.11 07.01.08
bridge over river: 07.11.01
pizza slice: 08.07.04
ice cream cone: 08.01.18
steaming bowl: 11.03.07
burning candle: 13.01.01
golden key: 14.05.01 14.05.02
padlock with keyhole: 14.05.23 14.05.21
hammer and sickle: 14.07.01 14.09.07
toothed gear: 15.07.01
ringing telephone: 16.01.11
old camera: 16.03.11 16.03.01
diamond ring: 17.02.17 17.02.02
red bicycle: 18.01.05
anchor with rope: 18.04.02
rocket taking off: 18.05.10
milk bottle: 19.07 19.07.01 08.03.01
pencil and ruler: 20.01.03 17.05.02
soccer player: 02.01.08
billiard ball: 21.03.24 21.03.99
violin key: 24.17.11 22.01.15
checkered flag: 24.07 24.07.01 25.07.04
crown with three points: 24.09.09
arrow pointing left: 24.15 24.15.01
four arrows: 24.15 24.15.03
dollar sign: 24.17.18
spiral galaxy: 01.11.01 01.11.09 26.01.05
yellow hexagon: 26.05 26.05.01
red cube: 26.15.09
vertical bars: 26.11.07
handwritten signature: 27.05.13
giraff: 03.02.09
tomatoe: 05.09.17
guittar: 22.01.15
piramid: 26.15.07 07.05.01
lion couronné: 03.01.01 03.01.02 24.09.13 24.09
deux clés croisées: 14.05.03 14.05.01
arbre vert: 05.01
tasse fumante: 11.03.04
ours debout: 03.01.14
soleil et montagne: 01.03 06.01.02
cheval noir: 03.03.01
étoile rouge: 01.01
poisson dans l'eau: 03.09.01 03.09 03.09.11
"""


@pytest.mark.parametrize(
    ("asked", "right"), [line.split(": ") for line in _SEARCHES.strip().splitlines()]
)
def test_a_right_code_is_among_the_first(asked: str, right: str) -> None:
    first = [str(one.code) for one in find_subjects(asked)[:_FIRST]]
    assert set(first) & set(right.split()), first
