"""What the classes of the Nice Classification hold, in a few words of our own, to choose by.

They are no official headings: WIPO's are longer, and alone decide what a class covers.
"""

from collections.abc import Mapping
from typing import Final

from search_api.languages import message

NICE_TITLES: Final[Mapping[int, str]] = {
    1: message("Chemicals"),
    2: message("Paints and varnishes"),
    3: message("Cosmetics and cleaning products"),
    4: message("Oils, greases and fuels"),
    5: message("Medicines and sanitary products"),
    6: message("Common metals and goods of them"),
    7: message("Machines and motors"),
    8: message("Hand tools and cutlery"),
    9: message("Electronics, software and instruments"),
    10: message("Medical devices"),
    11: message("Lighting, heating and sanitary devices"),
    12: message("Vehicles"),
    13: message("Firearms and fireworks"),
    14: message("Jewellery and watches"),
    15: message("Musical instruments"),
    16: message("Paper and printed matter"),
    17: message("Rubber, plastics and insulation"),
    18: message("Leather goods, bags and umbrellas"),
    19: message("Building materials, not of metal"),
    20: message("Furniture"),
    21: message("Household utensils and glassware"),
    22: message("Ropes, tents and textile fibres"),
    23: message("Yarns and threads"),
    24: message("Textiles and bed linen"),
    25: message("Clothing, footwear and headwear"),
    26: message("Haberdashery and artificial flowers"),
    27: message("Carpets and wall hangings"),
    28: message("Games, toys and sports articles"),
    29: message("Meat, fish, dairy and preserved food"),
    30: message("Coffee, flour, sweets and spices"),
    31: message("Fresh produce, live animals and seeds"),
    32: message("Beers and soft drinks"),
    33: message("Wines and spirits"),
    34: message("Tobacco and smokers' articles"),
    35: message("Advertising and business"),
    36: message("Insurance and finance"),
    37: message("Building and repair"),
    38: message("Telecommunications"),
    39: message("Transport and travel"),
    40: message("Treatment of materials"),
    41: message("Education, entertainment and sport"),
    42: message("Science, technology and software services"),
    43: message("Restaurants and lodging"),
    44: message("Medical care, beauty and farming"),
    45: message("Legal, security and personal services"),
}
