"""Write the sample files that are not text, beside this script. Needs the packages of python/requirements.in.

The same packages write the same bytes: no clock, no random numbers.
"""

import datetime
import io
import pathlib
import tarfile
import zipfile

import docx
import openpyxl
import pptx
import pptx.chart.data
import pptx.enum.chart
import pptx.util
import reportlab.lib.pagesizes
import reportlab.pdfgen.canvas
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
DAY = datetime.datetime(2024, 3, 1, 12)


def write_office(name, document):
    """Save an Office document without the dates that its zip container notes."""
    buffer = io.BytesIO()
    document.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(zipfile.ZipInfo(entry.filename, (2024, 3, 1, 12, 0, 0)), source.read(entry), zipfile.ZIP_DEFLATED)


def contract():
    document = docx.Document()
    document.core_properties.created = document.core_properties.modified = DAY
    document.core_properties.author = "The Prompter"
    document.add_heading("Contract of Engagement", level=1)
    document.add_paragraph("The understudy knows the lead’s part and steps in when the lead is gone.")
    document.add_heading("Fees", level=2)
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Night", "Fee in €"
    for night, fee in (("Preview", "120"), ("Première", "310")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = night, fee
    write_office("contract.docx", document)


def season():
    deck = pptx.Presentation()
    deck.core_properties.created = deck.core_properties.modified = DAY
    title = deck.slides.add_slide(deck.slide_layouts[0])
    title.shapes.title.text, title.placeholders[1].text = "Season 2024", "Three plays, one house"
    title.notes_slide.notes_text_frame.text = "Thank the sponsors."
    takings = deck.slides.add_slide(deck.slide_layouts[5])
    takings.shapes.title.text = "Takings"
    data = pptx.chart.data.CategoryChartData()
    data.categories = ["Hamlet", "Faust"]
    data.add_series("k€", (84.5, 61.0))
    takings.shapes.add_chart(pptx.enum.chart.XL_CHART_TYPE.COLUMN_CLUSTERED, *(pptx.util.Inches(n) for n in (1, 2, 8, 4)), data)
    # The chart carries a workbook of its own, which would note the time.
    chart = next(shape for shape in takings.shapes if shape.has_chart).chart
    book = openpyxl.Workbook()
    book.properties.created = book.properties.modified = DAY
    for row in (("", "k€"), ("Hamlet", 84.5), ("Faust", 61.0)):
        book.active.append(row)
    chart.part.chart_workbook.update_from_xlsx_blob(plain_workbook(book))
    write_office("season.pptx", deck)


def plain_workbook(book):
    """Return a workbook's bytes without the dates that saving it notes."""
    buffer, result = io.BytesIO(), io.BytesIO()
    book.save(buffer)
    stamp = f"{DAY:%Y-%m-%dT%H:%M:%S}Z".encode()
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "docProps/core.xml":
                start = data.index(b"<dcterms:modified")
                start = data.index(b">", start) + 1
                data = data[:start] + stamp + data[data.index(b"<", start):]
            target.writestr(zipfile.ZipInfo(entry.filename, (2024, 3, 1, 12, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def takings():
    book = openpyxl.Workbook()
    book.properties.created = DAY
    sheet = book.active
    sheet.title = "March"
    for row in (("play", "night", "seats", "price"), ("Hamlet", DAY, 120, 32.5), ("Hamlet", DAY + datetime.timedelta(1), 95, 32.5),
                ("Faust", DAY + datetime.timedelta(2), 210, 25.0)):
        sheet.append(row)
    sheet["E1"], sheet["E2"] = "total", "=C2*D2"
    book.create_sheet("Prices").append(("stalls", 32.5))
    (HERE / "takings.xlsx").write_bytes(plain_workbook(book))


def invoice():
    page = reportlab.pdfgen.canvas.Canvas(str(HERE / "invoice.pdf"), pagesize=reportlab.lib.pagesizes.A4, invariant=1)
    page.setTitle("Invoice 2024-017")
    page.setFont("Helvetica", 14)
    page.drawString(72, 770, "Invoice 2024-017")
    page.setFont("Helvetica", 11)
    rows = (("Item", "Amount"), ("Costumes", "1,250.00"), ("Wigs", "310.50"), ("Total", "1,560.50"))
    for i, (item, amount) in enumerate(rows):
        y = 720 - 20 * i
        page.drawString(78, y, item)
        page.drawString(228, y, amount)
    for i in range(len(rows) + 1):
        page.line(72, 734 - 20 * i, 322, 734 - 20 * i)
    for x in (72, 222, 322):
        page.line(x, 734, x, 734 - 20 * len(rows))
    page.showPage()
    page.drawString(72, 770, "Payable within 30 days. Merci à tous!")
    page.save()


def poster(size, lamp):
    """Draw a dark stage with one lamp."""
    image = Image.new("RGB", size, (20, 20, 40))
    ImageDraw.Draw(image).ellipse(lamp, fill=(250, 220, 90))
    return image


def pictures():
    poster((320, 200), (130, 70, 190, 130)).save(HERE / "stage.jpeg", quality=90)
    photo = Image.Exif()
    photo[0x010F], photo[0x0132] = "Understudy", "2024:03:01 12:00:00"
    poster((200, 320), (70, 130, 130, 190)).save(HERE / "portrait.jpg", quality=85, exif=photo)
    frames = [poster((64, 48), (8 + 12 * i, 14, 28 + 12 * i, 34)) for i in range(3)]
    frames[0].save(HERE / "lamp.gif", save_all=True, append_images=frames[1:], duration=120, loop=0)
    plan = Image.new("RGBA", (120, 80), (0, 0, 0, 0))
    ImageDraw.Draw(plan).rectangle((10, 10, 69, 49), fill=(122, 0, 25, 255))
    plan.save(HERE / "plan.png", optimize=True)


MEMBERS = (("scripts/act1.txt", "Who's there?\n"), ("scripts/act2.txt", "Words, words, words.\n"), ("cast/größen.csv", "role,size\nHamlet,52\nOphelia,38\n"))


def archives():
    with tarfile.open(HERE / "scripts.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in MEMBERS:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text.encode()), int(DAY.replace(tzinfo=datetime.timezone.utc).timestamp())
            archive.addfile(entry, io.BytesIO(text.encode()))
    with zipfile.ZipFile(HERE / "scripts.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in MEMBERS:
            archive.writestr(zipfile.ZipInfo(name, (2024, 3, 1, 12, 0, 0)), text)


for make in (contract, season, takings, invoice, pictures, archives):
    make()
