"""Fonts for what matplotlib's own font has no letters for.

Nothing is added to a plot of Latin, Greek, Cyrillic, Hebrew or Arabic text: there the
font that matplotlib brings is enough, and its first plot no slower. The first text
with other letters adds the fonts of its scripts behind whatever fonts are asked for,
however they are asked for: styles and themes replace lists of fonts.
"""

import bisect
import dataclasses
import os

CJK, NOTO = "noto_cjk_sans_otc", "manimgx_fonts"  # the packages that carry them

# Where scripts begin, and the family that has them; "" where none is needed. Han is
# drawn as in China unless kana or hangul say otherwise.
JAPANESE, KOREAN, CHINESE = "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK SC"
EMOJI, SYMBOLS = "Noto Emoji", "Noto Sans Symbols"
RANGES = (
    (0x0000, ""), (0x0530, "Noto Sans Armenian"), (0x0590, ""), (0x0900, "Noto Sans Devanagari"),
    (0x0980, "Noto Sans Bengali"), (0x0A00, "Noto Sans Gurmukhi"), (0x0A80, "Noto Sans Gujarati"),
    (0x0B00, "Noto Sans Oriya"), (0x0B80, "Noto Sans Tamil"), (0x0C00, "Noto Sans Telugu"),
    (0x0C80, "Noto Sans Kannada"), (0x0D00, "Noto Sans Malayalam"), (0x0D80, "Noto Sans Sinhala"),
    (0x0E00, "Noto Sans Thai"), (0x0E80, "Noto Sans Lao"), (0x0F00, ""), (0x1000, "Noto Sans Myanmar"),
    (0x10A0, "Noto Sans Georgian"), (0x1100, KOREAN), (0x1200, "Noto Sans Ethiopic"), (0x13A0, ""),
    (0x1780, "Noto Sans Khmer"), (0x1800, ""), (0x1CD0, "Noto Sans Devanagari"), (0x1D00, ""),
    (0x231A, EMOJI), (0x231C, ""), (0x23E9, EMOJI), (0x23FB, ""), (0x2600, EMOJI), (0x27C0, ""), (0x2B50, EMOJI), (0x2B5A, ""),
    (0x2E80, CHINESE), (0x3040, JAPANESE), (0x3100, CHINESE), (0x3130, KOREAN), (0x3190, CHINESE),
    (0x31F0, JAPANESE), (0x3200, CHINESE), (0xA000, ""), (0xA8E0, "Noto Sans Devanagari"), (0xA900, ""),
    (0xA960, KOREAN), (0xA980, ""), (0xAC00, KOREAN), (0xD800, ""), (0xF900, CHINESE), (0xFB00, ""),
    (0xFE0F, EMOJI), (0xFE10, ""), (0xFE30, CHINESE), (0xFE50, ""), (0xFF00, CHINESE), (0xFFF0, ""),
    (0x1F000, EMOJI), (0x1FB00, ""), (0x20000, CHINESE), (0x32000, ""),
)
STARTS = [start for start, _ in RANGES]

# What programs written elsewhere ask for, and what they get.
ALIASES = {
    CHINESE: ("SimHei", "SimSun", "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Source Han Sans SC",
              "Source Han Sans CN", "PingFang SC", "STHeiti", "Heiti SC", "Noto Sans SC"),
    "Noto Sans CJK TC": ("Microsoft JhengHei", "PingFang TC", "Noto Sans TC"),
    JAPANESE: ("IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic", "MS Gothic", "TakaoPGothic", "Noto Sans JP"),
    KOREAN: ("NanumGothic", "Malgun Gothic", "AppleGothic", "Noto Sans KR"),
}

_needed = []  # families that texts of the session need


def install(packages):
    """Make the fonts in a folder of packages known to matplotlib, which is imported, and
    to child processes by the list in its cache folder."""
    from matplotlib import font_manager, text

    manager = font_manager.fontManager
    for package in (CJK, NOTO):
        folder = os.path.join(packages, package)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.endswith((".ttf", ".ttc")):
                manager.addfont(os.path.join(folder, name))
    for family, others in ALIASES.items():
        for entry in [e for e in manager.ttflist if e.name == family]:
            manager.ttflist += [dataclasses.replace(entry, name=other) for other in others]
    manager._findfont_cached.cache_clear()
    known = {entry.name for entry in manager.ttflist}
    _watch(text.Text, known)
    _extend(font_manager)
    _save(font_manager)


def _watch(text, known):
    """Look at every text for letters that need a font."""
    set_text = text.set_text

    def watched(self, s):
        set_text(self, s)
        shown = self.get_text()
        if not shown.isascii():
            _needed[:] = sorted(known.intersection(families(shown)).union(_needed), key=_rank)

    watched.__doc__ = set_text.__doc__
    text.set_text = watched


def families(shown):
    """Return the families that a text needs."""
    return {RANGES[bisect.bisect_right(STARTS, ord(letter)) - 1][1] for letter in set(shown)} - {""}


def _rank(family):
    """Say in which order families are asked: Han in a Japanese text is Japanese."""
    return {JAPANESE: 0, KOREAN: 1, CHINESE: 2}.get(family, 3), family


def _extend(font_manager):
    """Add the needed families behind those that are found for a text."""
    manager = font_manager.FontManager
    find = manager._find_fonts_by_props

    def extended(self, prop, fontext="ttf", *args, **kwargs):
        paths = find(self, prop, fontext, *args, **kwargs)
        if fontext != "ttf" or not _needed:
            return paths
        for family in _needed:  # in the only weight there is
            path = self.findfont(font_manager.FontProperties(family=[family]), fontext)
            if path not in paths:
                paths.append(path)
        return paths

    manager._find_fonts_by_props = extended


def _save(font_manager):
    import matplotlib

    name = f"fontlist-v{font_manager.FontManager.__version__}.json"
    font_manager.json_dump(font_manager.fontManager, os.path.join(matplotlib.get_cachedir(), name))
