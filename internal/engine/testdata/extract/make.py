"""Write the documents that extract_test.go reads back. Runs in a session of the sandbox."""

import datetime
import io
import os

import docx
import docx.shared
import matplotlib
import openpyxl
import openpyxl.comments
import pptx
import pptx.chart.data
import pptx.enum.chart
import pptx.util
import pypdf
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas

pdfmetrics.registerFont(TTFont("DejaVu", os.path.join(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")))
pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))


def languages():
    page = canvas.Canvas("languages.pdf")
    page.setFont("DejaVu", 12)
    page.drawString(72, 770, "A ação começa às três; não há coração que não entenda.")
    page.drawString(72, 740, "The o\ufb03ce sta\ufb00 \ufb01nds the \ufb02oor.")
    page.drawString(72, 710, "Привет, мир")
    page.drawString(72, 680, "\ufe8e\ufe92\ufea4\ufeae\ufee3")  # marhaba as PDF writers draw it: shaped, from left to right
    page.drawString(120, 680, "\ufee1\ufefc\ufeb3 \ufefb")  # la salam, with the two letters of la in one glyph
    page.setFont("HeiseiMin-W3", 12)
    page.drawString(72, 650, "日本語の文章です。")
    page.setFont("Helvetica", 12)
    page.drawString(72, 620, "The repre-")
    page.drawString(72, 606, "sentation was sold out.")
    page.showPage()
    page.setFont("Helvetica", 12)
    page.drawString(72, 770, "The second page.")
    page.save()


def form():
    page = canvas.Canvas("form.pdf")
    page.drawString(72, 770, "Name of the understudy:")
    page.acroForm.textfield(name="name", value="Ophelia Filledin", x=72, y=720, width=300, height=24)
    page.save()


def locked():
    for name, password in (("locked.pdf", "secret"), ("unlocked.pdf", "")):
        writer = pypdf.PdfWriter(clone_from="form.pdf")
        writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
        writer.write(name)


def scan():
    page = canvas.Canvas("scan.pdf")
    page.rect(72, 700, 100, 100, fill=1)
    page.save()


def contract():
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Contract No. 4711"
    document.add_heading("Contrato de locação", 1)
    document.add_paragraph("A ação começa às três. 日本語の文章です。 مرحبا بالعالم")
    document.add_paragraph("first point", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for r, row in enumerate((("Night", "Fee"), ("Première", ""))):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    inner = table.cell(1, 1).add_table(rows=1, cols=2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "310", "€"
    document.add_paragraph("left\tright").add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph()._p.append(parse_xml(
        f"""<w:r {nsdecls("w")} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape">
        <mc:AlternateContent><mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></mc:Choice>
        <mc:Fallback><w:p><w:r><w:t>in a box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:r>"""))
    document.add_paragraph()._p.append(parse_xml(
        f"""<w:ins {nsdecls("w")} w:id="1" w:author="x"><w:r><w:t>inserted</w:t></w:r></w:ins>"""))
    document.add_paragraph()._p.append(parse_xml(
        f"""<w:del {nsdecls("w")} w:id="2" w:author="x"><w:r><w:delText>deleted</w:delText></w:r></w:del>"""))
    document.save("contract.docx")


def slides():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Título"
    box = (pptx.util.Inches(1), pptx.util.Inches(2), pptx.util.Inches(4), pptx.util.Inches(2))
    table = slide.shapes.add_table(1, 2, *box).table
    table.cell(0, 0).text, table.cell(0, 1).text = "seats", "120"
    slide.shapes.add_group_shape().shapes.add_textbox(*box).text_frame.text = "in a group"
    slide.notes_slide.notes_text_frame.text = "Thank the sponsors."
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    data = pptx.chart.data.CategoryChartData()
    data.categories = ["Hamlet", "Faust"]
    data.add_series("Takings", (84.5, 61.0))
    slide.shapes.add_chart(pptx.enum.chart.XL_CHART_TYPE.COLUMN_CLUSTERED, *box, data)
    deck.save("slides.pptx")


def sheets():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Março"
    for row in (("play", "night", "seats"), ("Hamlet", datetime.datetime(2024, 3, 1), 120), (None, None, None), ("Faust", datetime.datetime(2024, 3, 2, 19, 30), 0.1 + 0.2)):
        sheet.append(row)
    sheet["E4"], sheet["F4"] = True, datetime.time(19, 30)
    sheet["A2"].comment = openpyxl.comments.Comment("sold out", "the box office")
    book.create_sheet("日本").append(("文章",))
    book.save("sheets.xlsx")


for write in (languages, form, locked, scan, contract, slides, sheets):
    write()
