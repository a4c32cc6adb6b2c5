package filetypes

// Use is something people ask of the code interpreter, with the code that a model answers with. It shows that the
// locked packages work with each other, and write what they should, not only that they can be imported.
type Use struct {
	Name   string
	Python string
	Want   string // what it prints, without the last line break
}

// Uses returns the table. Whatever a use writes goes to the working folder.
func Uses() []Use {
	return append(analyses(), writers()...)
}

// analyses lists uses that compute.
func analyses() []Use {
	return []Use{
		{Name: "solve the equation of the documentation", Want: "[1]", Python: `
from sympy import Eq, solve, symbols
x = symbols("x")
print(solve(Eq(3 * x + 11, 14), x))
`},
		{Name: "regression with p-values", Want: "2.0 True", Python: `
import numpy as np, pandas as pd
import statsmodels.formula.api as smf
rng = np.random.default_rng(7)
df = pd.DataFrame({"x": np.arange(50.0)})
df["y"] = 2 * df.x + rng.normal(0, 0.1, 50)
fit = smf.ols("y ~ x", df).fit()
print(round(fit.params["x"], 2), fit.pvalues["x"] < 1e-9)
`},
		{Name: "classification with cross validation", Want: "True", Python: `
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
X, y = load_iris(return_X_y=True)
print(cross_val_score(RandomForestClassifier(n_estimators=20, random_state=0, n_jobs=2), X, y, cv=3).mean() > 0.9)
`},
		{Name: "optimisation and statistics", Want: "4.0 True 1177.15", Python: `
import numpy as np, numpy_financial as npf
from scipy import optimize, stats
best = optimize.linprog([-1, -1], A_ub=[[1, 2], [3, 1]], b_ub=[6, 8])
print(round(-best.fun, 6), stats.ttest_ind(np.arange(20), np.arange(20) + 15).pvalue < 0.01, round(float(-npf.pmt(0.05 / 12, 120, 110983)), 2))
`},
		{Name: "graph", Want: "['stage', 'wings', 'lobby'] 2", Python: `
import networkx as nx
g = nx.Graph([("stage", "wings"), ("wings", "lobby"), ("lobby", "bar"), ("stage", "pit")])
print(nx.shortest_path(g, "stage", "lobby"), nx.degree_histogram(g)[1])
`},
		{Name: "table in a database", Want: "Hamlet 215", Python: `
import pandas as pd, sqlalchemy as sa
engine = sa.create_engine("sqlite:///house.db")
pd.DataFrame({"play": ["Hamlet", "Faust", "Hamlet"], "seats": [120, 210, 95]}).to_sql("sales", engine, index=False, if_exists="replace")
top = pd.read_sql("select play, sum(seats) as n from sales group by play order by n desc", engine)
print(*top.iloc[0])
`},
		{Name: "places on the globe", Want: "505 km, area 6.0", Python: `
from geopy.distance import geodesic
from shapely.geometry import Polygon
print(f"{geodesic((52.52, 13.405), (48.137, 11.575)).km:.0f} km, area {Polygon([(0, 0), (3, 0), (3, 2), (0, 2)]).area}")
`},
		{Name: "matching of names", Want: "Ophelia 10", Python: `
from rapidfuzz import process
from faker import Faker
Faker.seed(4)
fake = Faker("de_DE")
print(process.extractOne("Ofelia", ["Hamlet", "Ophelia", "Claudius"])[0], len({fake.name() for _ in range(10)}))
`},
		{Name: "corners of a picture", Want: "4 (40, 30)", Python: `
import cv2, numpy as np
image = np.zeros((120, 160), np.uint8)
image[30:90, 40:120] = 255
contour = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
print(len(contour), tuple(int(n) for n in contour.reshape(-1, 2).min(axis=0)))
`},
	}
}

// writers lists uses that write a file and read it back.
func writers() []Use {
	return []Use{
		{Name: "charts", Want: "PNG (640, 480) PNG (640, 480) True", Python: `
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt, pandas as pd, seaborn as sns
from matplotlib_venn import venn2
from PIL import Image
df = pd.DataFrame({"day": list("aabb"), "seats": [3, 4, 5, 9]})
sns.barplot(df, x="day", y="seats", hue="day", legend=False)
plt.title("Müller — $x^2$")
plt.savefig("bars.png", dpi=100)
plt.close("all")
venn2(({1, 2, 3}, {3, 4}))
plt.savefig("venn.png", dpi=100)
plt.close("all")
df.plot(); plt.savefig("chart.svg"); plt.savefig("chart.pdf"); plt.close("all")
print(*(part for name in ("bars.png", "venn.png") for part in (Image.open(name).format, Image.open(name).size)), "<svg" in open("chart.svg").read())
`},
		{Name: "interactive chart", Want: "True True", Python: `
import plotly.express as px
figure = px.scatter(x=[1, 2, 3], y=[4, 1, 9], title="Takings")
figure.write_html("chart.html")
text = open("chart.html", encoding="utf-8").read()
print("Takings" in text, len(text) > 1_000_000)
`},
		{Name: "word cloud and QR code", Want: "(400, 200) https://example.org", Python: `
import cv2, qrcode
from wordcloud import WordCloud
WordCloud(width=400, height=200, random_state=1).generate("stage light curtain stage applause").to_file("words.png")
qrcode.make("https://example.org").save("qr.png")
print(cv2.imread("words.png").shape[1::-1], cv2.QRCodeDetector().detectAndDecode(cv2.imread("qr.png"))[0])
`},
		{Name: "workbook with a chart and a formula", Want: "['Takings'] =SUM(B2:B3) 1 [84.5, 61.0]", Python: `
import openpyxl, pandas as pd
df = pd.DataFrame({"play": ["Hamlet", "Faust"], "k€": [84.5, 61.0]})
with pd.ExcelWriter("takings-out.xlsx", engine="xlsxwriter") as writer:
    df.to_excel(writer, sheet_name="Takings", index=False)
    sheet = writer.sheets["Takings"]
    sheet.write_formula("B4", "=SUM(B2:B3)")
    chart = writer.book.add_chart({"type": "column"})
    chart.add_series({"values": "=Takings!$B$2:$B$3"})
    sheet.insert_chart("D2", chart)
book = openpyxl.load_workbook("takings-out.xlsx")
print(book.sheetnames, book.active["B4"].value, len(book.active._charts), pd.read_excel("takings-out.xlsx", nrows=2)["k€"].tolist())
`},
		{Name: "letter in Word", Want: "Dear Zoë, True", Python: `
import docx
from docx.shared import Inches
from PIL import Image
Image.new("RGB", (80, 40), "maroon").save("logo.png")
letter = docx.Document()
letter.add_picture("logo.png", width=Inches(1))
letter.add_paragraph("Dear Zoë,").runs[0].bold = True
letter.save("letter.docx")
again = docx.Document("letter.docx")
print(again.paragraphs[1].text, len(again.inline_shapes) == 1)
`},
		{Name: "slides", Want: "2 slides, one picture", Python: `
from PIL import Image
from pptx import Presentation
from pptx.util import Inches
Image.new("RGB", (80, 40), "navy").save("slide.png")
deck = Presentation()
for title in ("Plan", "Budget"):
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
deck.slides[1].shapes.add_picture("slide.png", Inches(1), Inches(2))
deck.save("deck.pptx")
again = Presentation("deck.pptx")
print(len(again.slides), "slides,", "one picture" if sum(shape.shape_type == 13 for shape in again.slides[1].shapes) == 1 else "no picture")
`},
		{Name: "PDF by two libraries", Want: "Facture à payer | Rechnung: 12 Stück | 3", Python: `
import pypdf
from fpdf import FPDF
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
SimpleDocTemplate("a.pdf", pagesize=A4).build([Paragraph("Facture à payer", getSampleStyleSheet()["Title"]), Table([["seat", "A1"]])])
pdf = FPDF()
for _ in range(2):
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.cell(text="Rechnung: 12 Stück")
pdf.output("b.pdf")
merged = pypdf.PdfWriter()
merged.append("a.pdf")
merged.append("b.pdf")
merged.write("merged.pdf")
pages = pypdf.PdfReader("merged.pdf").pages
print(pages[0].extract_text().splitlines()[0], pages[1].extract_text().strip(), len(pages), sep=" | ")
`},
		{Name: "columnar and scientific files", Want: "True True 21.0", Python: `
import h5py, numpy as np, pandas as pd, xarray as xr
df = pd.DataFrame({"name": ["Łódź", None, "São"], "when": pd.date_range("2024-03-01", periods=3), "n": [1.5, None, 3]})
df.to_parquet("cities.parquet")
again = pd.read_parquet("cities.parquet")
with h5py.File("grid.h5", "w") as f:
    f["grid"] = np.arange(12).reshape(3, 4)
with h5py.File("grid.h5") as f:
    grid = xr.DataArray(f["grid"][:], dims=("x", "y"))
print(again["name"].iloc[0] == "Łódź" and again["name"].isna().sum() == 1, (again.when == df.when).all(), float(grid.sum("x").max("y")))
`},
		{Name: "animation", Want: "5 frames", Python: `
import imageio.v3 as iio, numpy as np
frames = [np.full((20, 30, 3), 50 * i, np.uint8) for i in range(5)]
iio.imwrite("fade.gif", frames, duration=100)
print(len(iio.imread("fade.gif", index=None)), "frames")
`},
		{Name: "report as a page", Want: "<strong>41</strong> seats, 3 rows, | a | b |", Python: `
import markdown, pandas as pd
from bs4 import BeautifulSoup
from jinja2 import Template
page = markdown.markdown(Template("**{{ n }}** seats").render(n=41))
table = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
soup = BeautifulSoup(table.to_html(), "html5lib")
header = " ".join(table.to_markdown(index=False).splitlines()[0].replace("|", " | ").split())
print(f"{BeautifulSoup(page, 'lxml').p.decode_contents()}, {len(soup.tbody.find_all('tr'))} rows, {header}")
`},
	}
}
