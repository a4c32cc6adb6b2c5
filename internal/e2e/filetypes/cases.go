// Package filetypes has a real sample of every file type that the code interpreter is documented to read, with the
// Python that a model would write to open it. Its tests run that code in the sandbox, and import every package that
// the sandbox promises. samples/make.py writes the samples that are not text.
package filetypes

import (
	"embed"
	"io/fs"
)

//go:embed samples
var samples embed.FS

// Case is one documented file type and a sample of it.
type Case struct {
	Ext    string // ".csv"
	MIME   string
	File   string // name of the sample
	Python string // opens File, found in the working folder, and prints a fact
	Want   string // what it prints, without the last line break
}

// Data returns the content of the sample.
func (c Case) Data() ([]byte, error) { return fs.ReadFile(samples, "samples/"+c.File) }

// Cases returns the table of file types in the order of the documentation, a case for each MIME type.
func Cases() []Case {
	return append(append(source(), documents()...), media()...)
}

// source lists the file types of programs and markup.
func source() []Case {
	return []Case{
		{Ext: ".c", MIME: "text/x-c", File: "total.c", Want: "total main 3 2983.75", Python: `
import re
code = open("total.c").read()
takings = [float(n) for n in re.search(r"takings\[\] = \{(.*?)\}", code)[1].split(",")]
print(*re.findall(r"^(?:static )?\w+ (\w+)\(", code, re.M), len(takings), sum(takings))
`},
		{Ext: ".cpp", MIME: "text/x-c++", File: "seats.cpp", Want: "['House'] 42", Python: `
from pygments.lexers import get_lexer_for_filename
from pygments.token import Name, Number
code = open("seats.cpp").read()
tokens = list(get_lexer_for_filename("seats.cpp").get_tokens(code))
numbers = [int(text) for kind, text in tokens if kind in Number and text != "0"]
print([text for kind, text in tokens if kind is Name.Class], sum(numbers))
`},
		{Ext: ".html", MIME: "text/html", File: "programme.html", Want: "Tonight — The Understudy | 103 | ['cast.html', 'https://example.org/tickets']", Python: `
import pandas as pd
from bs4 import BeautifulSoup
soup = BeautifulSoup(open("programme.html", encoding="utf-8"), "html.parser")
acts = pd.read_html("programme.html")[0]
print(soup.title.string, acts["Minutes"].sum(), [a["href"] for a in soup.find_all("a")], sep=" | ")
`},
		{Ext: ".java", MIME: "text/x-java", File: "Prompter.java", Want: "theatre.Prompter ['next']", Python: `
import re
code = open("Prompter.java").read()
package, name = re.search(r"package ([\w.]+);", code)[1], re.search(r"public class (\w+)", code)[1]
print(f"{package}.{name}", re.findall(r"public \w+ (\w+)\(", code))
`},
		{Ext: ".json", MIME: "application/json", File: "cast.json", Want: "Hamlet: Zoë Müller; 李雷 can step in", Python: `
import json
with open("cast.json", encoding="utf-8") as f:
    play = json.load(f)
lead = play["cast"][0]
print(f"{lead['role']}: {lead['actor']}; {lead['understudies'][1]} can step in")
`},
		{Ext: ".md", MIME: "text/markdown", File: "notes.md", Want: "['Monday', 'Tuesday'] 1 of 2 done, cue 14 at 00:12:30", Python: `
import markdown
from bs4 import BeautifulSoup
text = open("notes.md").read()
soup = BeautifulSoup(markdown.markdown(text, extensions=["tables"]), "lxml")
cells = [td.get_text() for td in soup.find_all("td")]
print([h.get_text() for h in soup.find_all("h2")], f"{text.count('[x]')} of {text.count('- [')} done, cue {cells[0]} at {cells[1]}")
`},
		{Ext: ".php", MIME: "text/x-php", File: "index.php", Want: "['greeting'] stranger", Python: `
import re
code = open("index.php").read()
print(re.findall(r"function (\w+)", code), re.search(r"\?\? '(\w+)'", code)[1])
`},
		{Ext: ".py", MIME: "text/x-python", File: "speech.py", Want: "question 10 ['words', 'longest']", Python: `
import ast, sys
sys.path.insert(0, "")
import speech
tree = ast.parse(open("speech.py").read())
print(speech.longest(speech.SPEECH), len(speech.words(speech.SPEECH)), [n.name for n in tree.body if isinstance(n, ast.FunctionDef)])
`},
		{Ext: ".py", MIME: "text/x-script.python", File: "solve.py", Want: "x = 1", Python: `
import runpy
_ = runpy.run_path("solve.py", run_name="__main__")
`},
		{Ext: ".rb", MIME: "text/x-ruby", File: "cast.rb", Want: "Hamlet 1495", Python: `
import re
roles = {name: int(lines) for name, lines in re.findall(r'Role\.new\("(\w+)", (\d+)\)', open("cast.rb").read())}
heaviest = max(roles, key=roles.get)
print(heaviest, roles[heaviest])
`},
		{Ext: ".tex", MIME: "text/x-tex", File: "paper.tex", Want: "['Model', 'Result'] p = 1", Python: `
import re
from sympy import Eq, Symbol, solve
from sympy.parsing.sympy_parser import implicit_multiplication, parse_expr, standard_transformations
text = open("paper.tex").read()
left, right = re.search(r"\\begin\{equation\}(.*?)\.?\s*\\end", text, re.S)[1].strip().rstrip(" .").split("=")
left = parse_expr(left, transformations=(*standard_transformations, implicit_multiplication))
print(re.findall(r"\\section\{(.*?)\}", text), "p =", *solve(Eq(left, int(right)), Symbol("p")))
`},
		{Ext: ".css", MIME: "text/css", File: "stage.css", Want: "{'--curtain': '#7a0019'} ['.aisle', '.seat']", Python: `
import re
text = open("stage.css").read()
print(dict(re.findall(r"(--[\w-]+):\s*([^;]+);", text)), sorted(re.findall(r"\.[a-z]+", text)))
`},
		{Ext: ".js", MIME: "text/javascript", File: "cues.js", Want: "['next', 'last'] [12.5, 40.0]", Python: `
import re
code = open("cues.js").read()
print(re.findall(r"export (?:function|const) (\w+)", code), [float(n) for n in re.findall(r"at: ([\d.]+)", code)])
`},
		{Ext: ".ts", MIME: "application/typescript", File: "seat.ts", Want: "Seat {'row': 'string', 'number': 'number', 'taken': 'boolean'}", Python: `
import re
code = open("seat.ts").read()
name, body = re.search(r"interface (\w+) \{(.*?)\}", code, re.S).groups()
print(name, dict(re.findall(r"(\w+)\??: (\w+);", body)))
`},
	}
}

// documents lists the file types of texts, tables and data.
func documents() []Case {
	return []Case{
		{Ext: ".csv", MIME: "application/csv", File: "sales.csv", Want: "{'München': 6987.5, 'São Paulo': 5250.0, 'Łódź': 1440.0} 1 missing", Python: `
import pandas as pd
sales = pd.read_csv("sales.csv", parse_dates=["date"])
takings = (sales.seats * sales.price).groupby(sales.city).sum()
print(takings.to_dict(), sales.seats.isna().sum(), "missing")
`},
		{Ext: ".docx", MIME: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", File: "contract.docx", Want: "['Contract of Engagement', 'Fees'] lead’s: True, Première 310, text: True", Python: `
import docx, docx2txt
document = docx.Document("contract.docx")
headings = [p.text for p in document.paragraphs if p.style.name.startswith("Heading")]
row = [cell.text for cell in document.tables[0].rows[2].cells]
print(headings, f"lead’s: {'lead’s part' in document.paragraphs[1].text}, {' '.join(row)}, text: {'Fee in €' in docx2txt.process('contract.docx')}")
`},
		{Ext: ".pdf", MIME: "application/pdf", File: "invoice.pdf", Want: "2 pages, Invoice 2024-017, total 1,560.50, Merci à tous!, page of 596 x 842 points", Python: `
import pdfplumber, pypdf, pypdfium2
reader = pypdf.PdfReader("invoice.pdf")
with pdfplumber.open("invoice.pdf") as pdf:
    table = dict(pdf.pages[0].extract_table())
last = reader.pages[1].extract_text().strip().split(". ")[-1]
page = pypdfium2.PdfDocument("invoice.pdf")[0].render(scale=1).to_pil()
print(f"{len(reader.pages)} pages, {reader.metadata.title}, total {table['Total']}, {last}, page of {page.width} x {page.height} points")
`},
		{Ext: ".pptx", MIME: "application/vnd.openxmlformats-officedocument.presentationml.presentation", File: "season.pptx", Want: "['Season 2024', 'Takings'] Thank the sponsors. {'Hamlet': 84.5, 'Faust': 61.0}", Python: `
from pptx import Presentation
deck = Presentation("season.pptx")
plot = next(shape for shape in deck.slides[1].shapes if shape.has_chart).chart.plots[0]
print([slide.shapes.title.text for slide in deck.slides], deck.slides[0].notes_slide.notes_text_frame.text, dict(zip(plot.categories, plot.series[0].values)))
`},
		{Ext: ".txt", MIME: "text/plain", File: "notes.txt", Want: "3 lines, utf-8, 日本公演は秋", Python: `
import chardet
raw = open("notes.txt", "rb").read()
lines = open("notes.txt", encoding="utf-8").read().splitlines()
print(f"{len(lines)} lines, {chardet.detect(raw)['encoding'].lower()}, {lines[-1]}")
`},
		{Ext: ".xlsx", MIME: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", File: "takings.xlsx", Want: "['March', 'Prices'] {'Faust': 5250.0, 'Hamlet': 6987.5} 2024-03-03 =C2*D2", Python: `
import openpyxl
import pandas as pd
book = openpyxl.load_workbook("takings.xlsx")
march = pd.read_excel("takings.xlsx", sheet_name="March")
takings = (march.seats * march.price).groupby(march.play).sum()
print(book.sheetnames, takings.to_dict(), march.night.max().date(), book["March"]["E2"].value)
`},
		{Ext: ".xml", MIME: "application/xml", File: "season.xml", Want: "2024 {'Hamlet': 2, 'Kabale und Liebe': 1}", Python: `
from lxml import etree
root = etree.parse("season.xml").getroot()
ns = {"s": "urn:example:season"}
print(root.get("year"), {play.get("title"): len(play.findall("s:night", ns)) for play in root.findall("s:play", ns)})
`},
		{Ext: ".xml", MIME: "text/xml", File: "bill.xml", Want: "['Café', 'Croûton'] 15.7", Python: `
import xml.etree.ElementTree as ET
items = ET.parse("bill.xml").getroot().findall("item")
print([item.text for item in items], sum(float(item.get("price")) for item in items))
`},
	}
}

// media lists the file types of pictures and archives.
func media() []Case {
	return []Case{
		{Ext: ".jpeg", MIME: "image/jpeg", File: "stage.jpeg", Want: "JPEG (320, 200) lamp at (160, 100)", Python: `
import cv2
from PIL import Image
image = Image.open("stage.jpeg")
_, bright = cv2.threshold(cv2.imread("stage.jpeg", cv2.IMREAD_GRAYSCALE), 128, 255, cv2.THRESH_BINARY)
m = cv2.moments(bright, binaryImage=True)
print(image.format, image.size, "lamp at", (round(m["m10"] / m["m00"]), round(m["m01"] / m["m00"])))
`},
		{Ext: ".jpg", MIME: "image/jpeg", File: "portrait.jpg", Want: "JPEG (200, 320) Understudy 2024:03:01 12:00:00", Python: `
from PIL import Image
image = Image.open("portrait.jpg")
exif = image.getexif()
print(image.format, image.size, exif[0x010F], exif[0x0132])
`},
		{Ext: ".gif", MIME: "image/gif", File: "lamp.gif", Want: "GIF 3 frames, 120 ms, lamp at [18, 30, 42]", Python: `
import numpy as np
from PIL import Image, ImageSequence
image = Image.open("lamp.gif")
frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)]
print(image.format, f"{len(frames)} frames, {image.info['duration']} ms, lamp at {[round(np.nonzero(f > 128)[1].mean()) for f in frames]}")
`},
		{Ext: ".png", MIME: "image/png", File: "plan.png", Want: "PNG RGBA (120, 80) 2400 opaque pixels of (122, 0, 25)", Python: `
import imageio.v3 as iio
from PIL import Image
image = Image.open("plan.png")
pixels = iio.imread("plan.png", mode="RGBA")
opaque = pixels[pixels[..., 3] == 255]
print(image.format, image.mode, image.size, len(opaque), "opaque pixels of", tuple(opaque[0, :3].tolist()))
`},
		{Ext: ".tar", MIME: "application/x-tar", File: "scripts.tar", Want: "['cast/größen.csv', 'scripts/act1.txt', 'scripts/act2.txt'] Words, words, words. 90", Python: `
import csv, io, tarfile
with tarfile.open("scripts.tar") as archive:
    act = archive.extractfile("scripts/act2.txt").read().decode().strip()
    rows = list(csv.DictReader(io.TextIOWrapper(archive.extractfile("cast/größen.csv"), "utf-8")))
    print(sorted(archive.getnames()), act, sum(int(row["size"]) for row in rows))
`},
		{Ext: ".zip", MIME: "application/zip", File: "scripts.zip", Want: "['cast/größen.csv', 'scripts/act1.txt', 'scripts/act2.txt'] None Who's there? 90", Python: `
import os, tempfile, zipfile
import pandas as pd
with zipfile.ZipFile("scripts.zip") as archive, tempfile.TemporaryDirectory() as folder:
    archive.extractall(folder)
    sizes = pd.read_csv(os.path.join(folder, "cast", "größen.csv"))
    print(sorted(archive.namelist()), archive.testzip(), open(os.path.join(folder, "scripts", "act1.txt")).read().strip(), sizes["size"].sum())
`},
	}
}
