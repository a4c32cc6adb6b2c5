"""Writes the text of a document to extracted.txt, or to reason.txt why there is none.

It runs in a session of the sandbox, which ends with it: whatever a hostile document
makes of the parsers, it makes of them there.
"""


class Unreadable(Exception):
    """Says what is wrong with the document, in words for its owner."""


def pdf(path):
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("The document is protected by a password.")
        raise
    for page in document:
        text = page.get_textpage()
        yield text.get_text_bounded()
        yield "\n\f"
        text.close()
        page.close()


def rows(table):
    for row in table:
        yield " | ".join(" ".join(str(cell).split()) for cell in row) + "\n"


def docx(path):
    import docx
    from docx.table import Table

    def body(container):
        for item in container.iter_inner_content():
            if isinstance(item, Table):
                yield from rows([cell.text for cell in row.cells] for row in item.rows)
            elif item.text.strip():
                yield item.text + "\n"

    document = docx.Document(path)
    yield from body(document)
    seen = set()
    for section in document.sections:
        for part in (section.header, section.footer):
            text = "".join(body(part))
            if text not in seen:
                seen.add(text)
                yield text


def pptx(path):
    import pptx

    def shapes(group):
        for shape in group:
            if shape.shape_type == 6:  # a group
                yield from shapes(shape.shapes)
            elif getattr(shape, "has_table", False) and shape.has_table:
                yield from rows([cell.text for cell in row.cells] for row in shape.table.rows)
            elif shape.has_text_frame and shape.text_frame.text.strip():
                yield shape.text_frame.text + "\n"

    for slide in pptx.Presentation(path).slides:
        yield from shapes(slide.shapes)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            yield slide.notes_slide.notes_text_frame.text + "\n"
        yield "\f"


def xlsx(path):
    import openpyxl

    book = openpyxl.load_workbook(open(path, "rb"), read_only=True, data_only=True)
    for sheet in book.worksheets:
        yield sheet.title + "\n"
        for row in sheet.iter_rows(values_only=True):
            if any(cell is not None for cell in row):
                yield from rows([["" if cell is None else cell for cell in row]])
        yield "\f"


def html_text(markup):
    """Returns the text of HTML, given as bytes or str, whatever its nesting."""
    from html.parser import HTMLParser

    blocks = set("address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 "
                 "header hr li main nav ol p pre section table tr ul title".split())

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__(convert_charrefs=True)
            self.text, self.hidden = [], 0

        def handle_starttag(self, tag, attrs):
            if tag in ("script", "style", "template"):
                self.hidden += 1
            elif tag in blocks:
                self.text.append("\n")
            elif tag in ("td", "th"):
                self.text.append(" | ")

        def handle_endtag(self, tag):
            if tag in ("script", "style", "template"):
                self.hidden = max(0, self.hidden - 1)
            elif tag in blocks:
                self.text.append("\n")

        def handle_data(self, data):
            if not self.hidden:
                self.text.append(data)

    if isinstance(markup, bytes):
        from bs4.dammit import UnicodeDammit

        markup = UnicodeDammit(markup, is_html=True).unicode_markup or markup.decode("latin-1")
    reader = Reader()
    reader.feed(markup)
    reader.close()
    import re

    text = re.sub(r"[ \t\r\f\v\xa0]+", " ", "".join(reader.text))
    return re.sub(r" ?\n[ \n]*\n ?", "\n\n", text).strip() + "\n"


def html(path):
    yield html_text(open(path, "rb").read())


def rtf(path):
    from striprtf.striprtf import rtf_to_text

    yield rtf_to_text(open(path, "rb").read().decode("latin-1"), errors="replace")


def members(path, wanted):
    """Yields the names and bytes of an archive's members that are wanted."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        for name in wanted(archive):
            yield name, archive.read(name)


def opendocument(path):
    from lxml import etree

    safe = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    text = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
    table = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
    for _, data in members(path, lambda archive: ["content.xml"]):
        for element in etree.fromstring(data, safe).iter(text + "p", text + "h", table + "table-row"):
            if element.tag == table + "table-row":
                yield "\n"
            else:
                cell = next(element.iterancestors(table + "table-cell"), None)
                yield "".join(element.itertext()) + ("\n" if cell is None else " | ")
    yield "\n"


def epub(path):
    def chapters(archive):
        import posixpath
        from lxml import etree

        safe = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        container = etree.fromstring(archive.read("META-INF/container.xml"), safe)
        package = container.find(".//{*}rootfile").get("full-path")
        root = etree.fromstring(archive.read(package), safe)
        items = {item.get("id"): item.get("href") for item in root.iterfind(".//{*}manifest/{*}item")}
        for reference in root.iterfind(".//{*}spine/{*}itemref"):
            yield posixpath.join(posixpath.dirname(package), items[reference.get("idref")])

    for _, data in members(path, chapters):
        yield html_text(data) + "\f"


def notebook(path):
    import json

    for cell in json.load(open(path, encoding="utf-8"))["cells"]:
        yield "".join(cell["source"]) + "\n\n"
        for output in cell.get("outputs", ()):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            yield "".join(text) + "\n"


def mail(path):
    import email
    from email import policy

    message = email.message_from_binary_file(open(path, "rb"), policy=policy.default)
    for name in ("From", "To", "Date", "Subject"):
        if message[name]:
            yield f"{name}: {message[name]}\n"
    body = message.get_body(("plain", "html"))
    if body is not None:
        content = body.get_content()
        yield "\n" + (html_text(content) if body.get_content_subtype() == "html" else content)


READERS = {
    ".pdf": pdf, ".docx": docx, ".pptx": pptx, ".xlsx": xlsx, ".xlsm": xlsx, ".html": html, ".htm": html, ".xhtml": html,
    ".rtf": rtf, ".odt": opendocument, ".odp": opendocument, ".ods": opendocument, ".epub": epub, ".ipynb": notebook, ".eml": mail,
}


def main(arguments):
    reason, left = None, arguments["limit"]
    try:
        with open("/mnt/data/extracted.txt", "w", encoding="utf-8", errors="replace") as out:
            for piece in READERS[arguments["kind"]](arguments["path"]):
                left -= len(piece)
                if left < 0:
                    raise Unreadable(f"The file has more than {arguments['limit'] >> 20} MB of text.")
                out.write(piece)
    except Unreadable as error:
        reason = str(error)
    except MemoryError:
        reason = "Reading the file takes more memory than there is."
    except Exception as error:
        reason = f"The file is damaged, or not what its name says ({type(error).__name__})."
    if reason is not None:
        with open("/mnt/data/reason.txt", "w", encoding="utf-8", errors="replace") as out:
            out.write(reason)
