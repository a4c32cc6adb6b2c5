"""Write the text of the document /mnt/data/document to /mnt/data/extracted.txt.

The engine runs this in a session of the sandbox that is made for one document,
with two names set: KIND, a key of READERS, and LIMIT, the bytes of text it takes.
If there is no text to be had, a word that says why is written to /mnt/data/reason.txt.

What a reader needs is imported when it is needed. Office files are read with
expat as they come, not built into trees: that is fast, costs no memory, and is
not impressed by depth. Paragraphs of prose are set apart by an empty line, cells
of a table row by a bar, and pages, slides and sheets by a form feed.
"""

import errno
import os
import re

FOLDER = "/mnt/data/"
DOCUMENT = FOLDER + "document"
EXPANDED = 512 << 20  # bytes that are unpacked of one document


class Fault(Exception):
    """No text is to be had: a word that faultError of extract.go knows."""


class Writer:
    """The text file, and the pages, rows and paragraphs that become its lines."""

    def __init__(self):
        self.file = open(FOLDER + "extracted.txt", "wb", 1 << 16)
        self.size = 0
        self.pages = 0
        self.paragraphs = []  # those that are open: text boxes nest
        self.rows = []  # of the tables that are open, each a list of cells, a cell a list of lines
        self.gap = "\n\n"  # behind a paragraph

    def write(self, text):
        data = text.encode("utf-8", "replace")
        self.size += len(data)
        if self.size > LIMIT:
            raise Fault("large")
        self.file.write(data)

    def page(self):
        """Begin a page, slide or sheet."""
        if self.pages:
            self.write("\f")
        self.pages += 1

    def line(self, text, gap="\n"):
        """Write a line, or add it to the cell that is open."""
        text = text.strip(" \n")
        if not text:
            return
        if text == "\f":
            gap = ""
        if self.rows and self.rows[-1]:
            self.rows[-1][-1].append(text)
        else:
            self.write(text + gap)

    def add(self, text):
        """Add text to the paragraph that is open."""
        if self.paragraphs:
            self.paragraphs[-1].append(text)

    def begin(self):
        self.paragraphs.append([])

    def end(self, gap=None):
        if self.paragraphs:
            self.line("".join(self.paragraphs.pop()), gap or self.gap)

    def row(self):
        self.rows.append([])

    def cell(self):
        if self.rows:
            self.rows[-1].append([])

    def end_row(self):
        if not self.rows:
            return
        cells = self.rows.pop()
        if any(len(cell) > 1 and sum(map(len, cell)) > 300 for cell in cells):
            for cell in cells:  # a table that is there for the layout
                for text in cell:
                    self.line(text)
            return
        cells = [" ".join(" ".join(cell).split()) for cell in cells]
        if any(cells):
            self.line(" | ".join(cells).rstrip(" |"))

    def end_table(self):
        if not self.rows:
            self.write("\n")


out = Writer()


# Packages of XML: Office Open XML, OpenDocument, EPUB.


class Package:
    """A zip file of which no more than EXPANDED bytes are unpacked."""

    def __init__(self):
        import zipfile

        self.zip = zipfile.ZipFile(DOCUMENT)
        self.names = set(self.zip.namelist())
        self.left = EXPANDED

    def open(self, name):
        info = self.zip.getinfo(name)
        self.left -= info.file_size
        if self.left < 0:
            raise Fault("large")
        if info.flag_bits & 1:
            raise Fault("encrypted")
        return self.zip.open(info)

    def read(self, name):
        with self.open(name) as file:
            return file.read()

    def parse(self, name, start, end=None, text=None):
        """Call start(tag, attributes), end(tag) and text(data); names lose their namespaces."""
        with self.open(name) as file:
            parse(file, start, end, text)

    def relations(self, name):
        """Return [(type, target)] of a part's relations, and {id: target}."""
        folder, _, base = name.rpartition("/")
        rels = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
        found, ids = [], {}
        if rels not in self.names:
            return found, ids

        def start(tag, attributes):
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = join(folder, attributes.get("Target", ""))
                if target in self.names:
                    found.append((attributes.get("Type", "").rpartition("/")[2], target))
                    ids[attributes.get("Id")] = target

        self.parse(rels, start)
        return found, ids


def join(folder, target):
    """Return the name of a part that target means, seen from folder."""
    if target.startswith("/"):
        return target[1:]
    return os.path.normpath(os.path.join(folder, target))


def parse(file, start, end=None, text=None):
    from xml.parsers import expat

    def element(name, attributes):
        start(name.rpartition(" ")[2], {k.rpartition(" ")[2]: v for k, v in attributes.items()} if attributes else attributes)

    def refuse(*_):
        raise Fault("damaged")  # no document of these kinds declares entities, but bombs do

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = element
    if end:
        parser.EndElementHandler = lambda name: end(name.rpartition(" ")[2])
    if text:
        parser.CharacterDataHandler = text
    parser.ParseFile(file)


class Flow:
    """The text of WordprocessingML, DrawingML and OpenDocument. They name the same
    things almost alike, and the names never clash."""

    SKIP = frozenset(("Fallback", "tabs", "tabLst", "moveFrom"))
    BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "line-break": "\n", "noBreakHyphen": "-", "ptab": "\t"}

    def __init__(self):
        self.skipping = 0
        self.taking = 0  # inside w:t, a:t, m:t; OpenDocument has text everywhere in a paragraph
        self.gap = None

    def start(self, tag, a):
        if self.skipping or tag in self.SKIP or (tag == "fld" and a.get("type") == "slidenum"):
            self.skipping += 1
        elif tag == "t":
            self.taking += 1
        elif tag == "p":
            out.begin()
            self.gap = None
        elif tag == "numPr":
            out.add("- ")
            self.gap = "\n"
        elif tag in self.BREAKS:
            out.add("\f" if a.get("type") == "page" else self.BREAKS[tag])
        elif tag == "tr":
            out.row()
        elif tag == "tc":
            out.cell()

    def end(self, tag):
        if self.skipping:
            self.skipping -= 1
        elif tag == "t":
            self.taking -= 1
        elif tag == "p":
            out.end(self.gap)
        elif tag == "tr":
            out.end_row()
        elif tag == "tbl":
            out.end_table()

    def text(self, data):
        if self.taking and not self.skipping:
            out.add(data)


def read_flow(package, name):
    flow = Flow()
    package.parse(name, flow.start, flow.end, flow.text)


def read_word(package, main):
    relations, _ = package.relations(main)
    parts = {}
    for kind, target in relations:
        parts.setdefault(kind, []).append(target)
    for name in sorted(parts.get("header", ())):
        read_once(package, name)
    read_flow(package, main)
    for kind in ("footnotes", "endnotes", "comments", "footer"):
        for name in sorted(parts.get(kind, ())):
            read_once(package, name)


seen = set()


def read_once(package, name):
    """Read a header or the like, unless the same was there before."""
    import hashlib

    digest = hashlib.sha256(package.read(name)).digest()
    if digest not in seen:
        seen.add(digest)
        read_flow(package, name)


def read_slides(package, main):
    out.gap = "\n"
    _, ids = package.relations(main)
    slides = []
    package.parse(main, lambda tag, a: slides.append(ids.get(a.get("id"))) if tag == "sldId" else None)
    for slide in filter(None, slides):
        out.page()
        read_flow(package, slide)
        for kind, target in package.relations(slide)[0]:
            if kind == "chart":
                read_chart(package, target)
            elif kind == "diagramData":
                read_flow(package, target)
            elif kind == "notesSlide":
                out.write("Notes:\n")
                read_flow(package, target)


def read_chart(package, name):
    """Write a chart's title, and a line of names and values for each series."""
    flow, values, inside = Flow(), [], []

    def start(tag, a):
        flow.start(tag, a)
        inside.append(tag)

    def end(tag):
        flow.end(tag)
        inside.pop()
        if tag == "ser" and values:
            out.line(" | ".join(values))
            values.clear()

    def text(data):
        flow.text(data)
        if inside[-1:] == ["v"] and "ser" in inside:
            values.append(data.strip())

    package.parse(name, start, end, text)


# Workbooks.

DATES = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))  # number formats that show a date or a time


def read_workbook(package, main):
    relations, ids = package.relations(main)
    parts = dict(relations)
    sheets, since_1904 = [], []

    def start(tag, a):
        if tag == "sheet" and a.get("id") in ids:
            sheets.append((a.get("name", ""), ids[a["id"]]))
        elif tag == "workbookPr" and a.get("date1904") in ("1", "true"):
            since_1904.append(True)

    package.parse(main, start)
    strings = read_strings(package, parts["sharedStrings"]) if "sharedStrings" in parts else []
    dated = read_styles(package, parts["styles"]) if "styles" in parts else set()
    for name, part in sheets:
        out.page()
        out.write(f"Sheet: {name}\n")
        read_sheet(package, part, strings, dated, bool(since_1904))
        for kind, target in package.relations(part)[0]:
            if kind in ("comments", "threadedComment"):
                read_comments(package, target)
            elif kind == "drawing":
                read_flow(package, target)
                for inner, chart in package.relations(target)[0]:
                    if inner == "chart":
                        read_chart(package, chart)


def read_strings(package, name):
    strings, taking, phonetic = [], [], []

    def start(tag, a):
        if tag == "si":
            strings.append([])
        elif tag == "rPh":
            phonetic.append(True)
        elif tag == "t" and not phonetic:
            taking.append(True)

    def end(tag):
        if tag == "t":
            taking.clear()
        elif tag == "rPh":
            phonetic.clear()
        elif tag == "si":
            strings[-1] = "".join(strings[-1])

    package.parse(name, start, end, lambda data: strings[-1].append(data) if taking and strings else None)
    return strings


def read_comments(package, name):
    taking, words = [], []

    def end(tag):
        if tag in ("t", "text"):
            taking.clear()
        if tag in ("comment", "threadedComment") and words:
            out.line("Comment: " + " ".join("".join(words).split()))
            words.clear()

    package.parse(name, lambda tag, a: taking.append(True) if tag in ("t", "text") else None, end,
                  lambda data: words.append(data) if taking else None)


def read_styles(package, name):
    """Return the cell styles that show dates."""
    formats, dated, inside = {}, set(), []
    count = [0]

    def start(tag, a):
        if tag == "numFmt":
            plain = re.sub(r'"[^"]*"|\[[^\]]*\]|\\.|General', "", a.get("formatCode", ""))
            formats[a.get("numFmtId")] = bool(re.search("[dmyhs]", plain, re.I))
        elif tag == "cellXfs":
            inside.append(True)
        elif tag == "xf" and inside:
            number = a.get("numFmtId", "0")
            if formats.get(number, number.isdigit() and int(number) in DATES):
                dated.add(str(count[0]))
            count[0] += 1

    package.parse(name, start, lambda tag: inside.clear() if tag == "cellXfs" else None)
    return dated


def read_sheet(package, name, strings, dated, since_1904):
    row, cell, words, taking = [], {}, [], []

    def start(tag, a):
        if tag == "row":
            row.clear()
        elif tag == "c":
            cell.clear()
            cell.update(a)
            words.clear()
        elif tag in ("v", "t"):
            taking.append(True)

    def end(tag):
        if tag in ("v", "t"):
            taking.clear()
        elif tag == "c":
            column = column_of(cell.get("r", ""))
            if len(row) < column <= len(row) + 100:
                row.extend([""] * (column - len(row)))
            row.append(show("".join(words), cell, strings, dated, since_1904))
        elif tag == "row" and any(row):
            out.write(" | ".join(row).rstrip(" |") + "\n")

    package.parse(name, start, end, lambda data: words.append(data) if taking else None)


def column_of(reference):
    """Return the number of columns to the left of a cell, -1 if it does not say."""
    column = 0
    for letter in reference:
        if not "A" <= letter <= "Z":
            break
        column = 26 * column + ord(letter) - 64
    return column - 1


def show(value, cell, strings, dated, since_1904):
    kind = cell.get("t", "n")
    if kind == "s":
        index = int(value) if value.isdigit() else -1
        value = strings[index] if 0 <= index < len(strings) else ""
    elif kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    elif kind == "n" and value:
        try:
            number = float(value)
            return show_date(number, since_1904) if cell.get("s") in dated else format(number, ".15g")
        except (ValueError, OverflowError):
            pass
    return " ".join(value.split())


def show_date(number, since_1904):
    import datetime

    if 0 <= number < 1 and not since_1904:
        seconds = round(number * 86400)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    start = datetime.datetime(1904, 1, 1) if since_1904 else datetime.datetime(1899, 12, 30)
    moment = start + datetime.timedelta(seconds=round(number * 86400))
    return str(moment).removesuffix(" 00:00:00")


# OpenDocument and EPUB.


def read_open(package):
    if "META-INF/manifest.xml" in package.names and b"encryption-data" in package.read("META-INF/manifest.xml"):
        raise Fault("encrypted")
    skipping, spreadsheet = [0], []

    def start(tag, a):
        if skipping[0] or tag in ("tracked-changes", "annotation-end", "forms", "desc", "title", "page-number"):
            skipping[0] += 1
        elif tag in ("p", "h"):
            out.begin()
        elif tag == "s":
            count = a.get("c", "1")
            out.add(" " * min(int(count) if count.isdigit() else 1, 100))
        elif tag in ("tab", "line-break"):
            out.add("\t" if tag == "tab" else "\n")
        elif tag == "table-row":
            out.row()
        elif tag in ("table-cell", "covered-table-cell"):
            out.cell()
        elif tag == "page":
            out.gap = "\n"
            out.page()
        elif tag == "notes":
            out.write("Notes:\n")
        elif tag == "spreadsheet":
            spreadsheet.append(True)
        elif tag == "table" and not out.rows and a.get("name") and spreadsheet:
            out.page()
            out.write(f"Sheet: {a['name']}\n")

    def end(tag):
        if skipping[0]:
            skipping[0] -= 1
        elif tag in ("p", "h"):
            out.end()
        elif tag == "table-row":
            out.end_row()
        elif tag == "table":
            out.end_table()

    package.parse("content.xml", start, end, lambda data: None if skipping[0] else out.add(re.sub(r"\s+", " ", data)))


def read_epub(package):
    from urllib.parse import unquote

    books, items, spine, locked = [], {}, [], set()
    package.parse("META-INF/container.xml", lambda tag, a: books.append(a.get("full-path", "")) if tag == "rootfile" else None)
    if "META-INF/encryption.xml" in package.names:
        package.parse("META-INF/encryption.xml", lambda tag, a: locked.add(unquote(a.get("URI", ""))) if tag == "CipherReference" else None)
    if not books:
        raise Fault("damaged")

    def start(tag, a):
        if tag == "item":
            items[a.get("id")] = join(os.path.dirname(books[0]), unquote(a.get("href", "")))
        elif tag == "itemref":
            spine.append(a.get("idref"))

    package.parse(books[0], start)
    for name in map(items.get, spine):
        if name in locked:
            raise Fault("encrypted")
        if name in package.names:
            out.page()
            read_markup(package.read(name))


def read_zip():
    """Read whatever a zip file turns out to be."""
    package = Package()
    if "[Content_Types].xml" in package.names:
        types = package.read("[Content_Types].xml")
        for kind, target in package.relations("")[0]:
            if kind != "officeDocument":
                continue
            if b"wordprocessingml" in types:
                return read_word(package, target)
            if b"presentationml" in types and target.endswith(".xml"):
                return read_slides(package, target)
            if b"spreadsheetml" in types and target.endswith(".xml"):
                return read_workbook(package, target)
    elif "META-INF/container.xml" in package.names:
        return read_epub(package)
    elif "content.xml" in package.names:
        return read_open(package)
    raise Fault("unsupported")


# Markup.


class Markup:
    """The target of an HTML parser: its text, a line for each block."""

    SKIP = frozenset(("script", "style", "template", "noscript", "svg", "object"))
    BLOCKS = frozenset(
        "address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure footer form "
        "h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section summary table tbody tfoot thead title ul".split())
    SPACED = frozenset("blockquote dl h1 h2 h3 h4 h5 h6 ol p pre table title ul".split())

    def __init__(self):
        self.words = []
        self.skipping = 0
        self.pre = 0
        self.open = False  # text was written since the last empty line

    def flush(self, spaced=False):
        text = "".join(self.words)
        self.words.clear()
        text = text.strip("\n") if self.pre else " ".join(text.split())
        inside = out.rows and out.rows[-1]
        if text:
            out.line(text)
            self.open = True
        if spaced and self.open and not inside:
            out.write("\n")
            self.open = False

    def start(self, tag, attributes):
        if self.skipping or tag in self.SKIP:
            self.skipping += tag in self.SKIP
            return
        if tag in self.BLOCKS:
            self.flush(tag in self.SPACED)
            self.pre += tag == "pre"
            if tag == "li":
                self.words.append("- ")
        elif tag == "tr":
            self.flush()
            out.row()
        elif tag in ("td", "th"):
            self.flush()
            out.cell()
        elif tag == "img":
            self.words.append(" " + attributes.get("alt", "") + " ")

    def end(self, tag):
        if self.skipping:
            self.skipping -= tag in self.SKIP
            return
        if tag in self.BLOCKS and tag != "br":
            self.flush(tag in self.SPACED)
            self.pre -= tag == "pre"
        elif tag in ("td", "th"):
            self.flush()
        elif tag == "tr":
            self.flush()
            out.end_row()
            self.open = True

    def data(self, text):
        if not self.skipping:
            self.words.append(text)

    def comment(self, text):
        pass

    def close(self):
        while out.rows:
            self.end("tr")
        self.flush(True)


def decode(data, declared=None):
    """Return the text of markup or mail."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", declared):
        try:
            if encoding:
                return data.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            pass
    return data.decode("cp1252", "replace")


def read_markup(data):
    from lxml import etree

    if isinstance(data, bytes):
        named = re.search(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", data[:4096])
        data = decode(data, named and named[1].decode("ascii", "replace"))
    data = re.sub(r"^\s*<\?xml[^>]*>", "", data).replace("\0", "")
    parser = etree.HTMLParser(target=Markup(), encoding="utf-8", huge_tree=True)
    for at in range(0, len(data), 1 << 18):
        parser.feed(data[at:at + (1 << 18)].encode("utf-8", "replace"))
    if data.strip():
        parser.close()


def read_html():
    with open(DOCUMENT, "rb") as file:
        read_markup(file.read())


def read_mail():
    from email import message_from_binary_file, policy

    with open(DOCUMENT, "rb") as file:
        write_mail(message_from_binary_file(file, policy=policy.default))


def write_mail(message):
    for name in ("From", "To", "Cc", "Date", "Subject"):
        try:
            value = message[name]
        except Exception:  # of a header that the parser of headers cannot take
            continue
        if value:
            out.line(f"{name}: {value}")
    out.write("\n")
    body = message.get_body(("plain", "html"))
    if body is not None:
        data = body.get_payload(decode=True) or b""
        if body.get_content_subtype() == "html":
            read_markup(decode(data, body.get_content_charset()))
        else:
            out.write(decode(data, body.get_content_charset()) + "\n")
    for part in message.iter_attachments() if message.is_multipart() else ():
        out.line(f"Attachment: {part.get_filename('')}".rstrip(" :"))
        if part.get_content_type() == "message/rfc822":
            for inner in part.get_payload():
                write_mail(inner)


def read_rtf():
    from striprtf.striprtf import rtf_to_text

    with open(DOCUMENT, encoding="latin-1", newline="") as file:
        out.write(rtf_to_text(file.read(), errors="replace"))


def read_notebook():
    import json

    def text(value):
        return "".join(value) if isinstance(value, list) else value if isinstance(value, str) else ""

    with open(DOCUMENT, "rb") as file:
        notebook = json.loads(decode(file.read()))
    for cell in notebook["cells"]:
        out.write(text(cell.get("source")) + "\n\n")
        for output in cell.get("outputs", ()):
            shown = text(output.get("text")) or text(output.get("data", {}).get("text/plain"))
            if shown:
                out.write(shown.rstrip("\n") + "\n\n")


# PDF.


def read_pdf():
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(DOCUMENT)
    except pypdfium2.PdfiumError as error:
        raise Fault("encrypted" if "password" in str(error).lower() else "damaged")
    form = document.get_formtype() > 0
    if form:
        document.init_forms()
    count, broken = len(document), 0
    for number in range(count):
        try:
            text = page_text(document, number, form)
        except pypdfium2.PdfiumError:
            broken += 1
            if broken == 1000:
                break  # the number of pages is a lie
            continue
        out.page()
        out.write(text)
    if broken == count or broken == 1000:
        raise Fault("damaged")


LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st",
             0x02: None, 0xFFFE: None, 0xAD: None, 0x0: None}  # and the hyphen of a divided word, which PDFium marks


def page_text(document, number, form):
    page = document[number]
    try:
        if form:  # what was filled in lies in annotations, over the page
            page.flatten()
            page.close()
            page = document[number]
        text = page.get_textpage()
        try:
            return part_letters(text, text.get_text_range()).translate(LIGATURES).rstrip() + "\n"
        finally:
            text.close()
    finally:
        page.close()


def part_letters(page, text):
    """Return text with lam and alef in their order where the page has them as one
    glyph: PDFium turns what is written from right to left, and the glyph's letters
    with it. That two letters were one glyph shows in their having the same place."""
    from pypdfium2 import raw

    letters = list(text)
    for match in re.finditer("[اأإآ]ل", text):
        at = match.start()
        index = raw.FPDFText_GetCharIndexFromTextIndex(page, at)
        if index >= 0 and page.get_charbox(index) == page.get_charbox(index + 1):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


# What Word, Excel and PowerPoint wrote before 2007.


def read_compound():
    from io import StringIO

    from xlrd.compdoc import CompDoc

    with open(DOCUMENT, "rb") as file:
        compound = CompDoc(file.read(), StringIO())
    streams = {entry.name: entry.DID for entry in compound.dirlist}
    if "EncryptedPackage" in streams:
        raise Fault("encrypted")
    if "WordDocument" in streams:
        read_old_word(compound)
    elif "Workbook" in streams or "Book" in streams:
        read_old_workbook()
    elif "PowerPoint Document" in streams:
        read_old_slides(compound.get_named_stream("PowerPoint Document"))
    else:
        raise Fault("unsupported")


def read_old_word(compound):
    """Follow the piece table: it says where the characters lie, and in which encoding."""
    from struct import unpack_from

    main = compound.get_named_stream("WordDocument")
    magic, version = unpack_from("<HH", main)
    (flags,) = unpack_from("<H", main, 10)
    if magic != 0xA5EC or version < 0xC1:
        raise Fault("old")  # Word 95 or before
    if flags & 0x100:
        raise Fault("encrypted")
    table = compound.get_named_stream("1Table" if flags & 0x200 else "0Table")
    at, size = unpack_from("<II", main, 0x1A2)
    lengths = unpack_from("<8I", main, 0x4C)  # body, footnotes, headers, macros, comments, endnotes, text boxes, theirs in headers
    end = at + size
    while table[at] == 1:  # formatting
        at += 3 + unpack_from("<H", table, at + 1)[0]
    if table[at] != 2 or at + 5 > end:
        raise Fault("damaged")
    (size,) = unpack_from("<I", table, at + 1)
    at += 5
    count = (size - 4) // 12
    bounds = unpack_from(f"<{count + 1}I", table, at)
    pieces = []
    for i in range(count):
        (place,) = unpack_from("<I", table, at + 4 * (count + 1) + 8 * i + 2)
        length = bounds[i + 1] - bounds[i]
        if length < 0:
            raise Fault("damaged")
        if place & 0x40000000:
            place = (place & 0x3FFFFFFF) // 2
            pieces.append(main[place:place + length].decode("cp1252", "replace"))
        else:
            pieces.append(main[place:place + 2 * length].decode("utf-16-le", "replace"))
    write_old_word("".join(pieces)[:sum(lengths)])


def write_old_word(text):
    text = re.sub("\x13[^\x13\x14\x15]*\x14?", "", text)  # the codes of fields, but not their results
    text = text.replace("\v", "\n").replace("\x1e", "-")
    row = []
    for part in re.findall("[^\r\x07\f]*[\r\x07\f]?", text):
        words = re.sub("[\x00-\x08\x0c-\x1f]", "", part).strip()
        if part.endswith("\x07") and words:
            row.append(words)
            continue
        if row:  # ends with an empty cell, or is the end of the row
            out.line(" | ".join(row))
            row.clear()
        out.line(words, "\n\n")
        if part.endswith("\f"):
            out.write("\f")


def read_old_workbook():
    import xlrd

    try:
        book = xlrd.open_workbook(DOCUMENT, on_demand=True, logfile=open(os.devnull, "w"))
    except xlrd.XLRDError as error:
        raise Fault("encrypted" if "encrypted" in str(error) else "damaged")
    for name in book.sheet_names():
        out.page()
        out.write(f"Sheet: {name}\n")
        for row in book.sheet_by_name(name).get_rows():
            cells = [show_old(cell, book.datemode) for cell in row]
            if any(cells):
                out.write(" | ".join(cells).rstrip(" |") + "\n")
        book.unload_sheet(name)


def show_old(cell, mode):
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        return show_date(cell.value, mode == 1)
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return format(cell.value, ".15g")
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    return " ".join(cell.value.split()) if cell.ctype == xlrd.XL_CELL_TEXT else ""


def read_old_slides(data):
    """Walk the records: slides keep their text in two kinds of atoms."""
    from struct import unpack_from

    at = 0
    while at + 8 <= len(data):
        version, kind, size = unpack_from("<HHI", data, at)
        at += 8
        if kind == 0x3F8:  # the master slide
            at += size
        elif version & 15 != 15:  # no container: those are entered
            if kind == 0xFA0:
                write_old_slide(data[at:at + size].decode("utf-16-le", "replace"))
            elif kind == 0xFA8:
                write_old_slide(data[at:at + size].decode("latin-1"))
            at += size


def write_old_slide(text):
    if text.strip(" *") and text not in seen:  # an asterisk stands for the slide's number
        seen.add(text)
        out.line(re.sub("[\r\v]", "\n", text))


READERS = {
    "pdf": read_pdf, "zip": read_zip, "compound": read_compound, "html": read_html,
    "rtf": read_rtf, "mail": read_mail, "notebook": read_notebook,
}


def main():
    try:
        READERS[KIND]()
        out.file.close()
    except Fault as fault:
        word = str(fault)
    except MemoryError:
        word = "memory"
    except ImportError:
        word = "missing"
    except Exception as error:  # whatever a damaged document makes of a parser
        word = "large" if getattr(error, "errno", None) == errno.ENOSPC else "damaged"
    else:
        return
    with open(FOLDER + "reason.txt", "w") as file:
        file.write(word)


main()
